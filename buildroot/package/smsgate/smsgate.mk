################################################################################
#
# smsgate
#
################################################################################

SMSGATE_VERSION = 0.1.0
SMSGATE_SITE = $(call qstrip,$(BR2_PACKAGE_SMSGATE_SITE))
SMSGATE_LICENSE = MIT or Apache-2.0
SMSGATE_LICENSE_FILES = LICENSE-MIT LICENSE-APACHE

# The archive brings the crates along (VENDOR/), so that nothing is asked of the
# network here. To build a tree that is being worked on instead, say in local.mk:
#
#   SMSGATE_OVERRIDE_SRCDIR = /path/to/smsgate/out/source/tree
#
# after `scripts/vendor tree` has made or refreshed that folder. A plain checkout
# does not do: Buildroot vendors nothing for a local folder and builds offline.

# Buildroot's own profile comes before these and would undo Cargo.toml's, which
# is 5 MB smaller.
SMSGATE_CARGO_ENV = \
	CARGO_PROFILE_RELEASE_OPT_LEVEL="s" \
	CARGO_PROFILE_RELEASE_LTO="fat" \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS="1"

SMSGATE_LINKS = smsgate-client check_smsgate munin_smsgate

define SMSGATE_INSTALL_LINKS
	$(foreach link,$(SMSGATE_LINKS),
		ln -sf smsgate $(TARGET_DIR)/usr/bin/$(link)
	)
endef

define SMSGATE_INSTALL_UDEV_RULES
	$(INSTALL) -D -m 0644 -t $(TARGET_DIR)/usr/lib/udev/rules.d $(@D)/udev/*.rules
endef

define SMSGATE_INSTALL_ACCOUNT
	$(INSTALL) -D -m 0644 $(@D)/contrib/systemd/smsgate.sysusers \
		$(TARGET_DIR)/usr/lib/sysusers.d/smsgate.conf
	$(INSTALL) -D -m 0644 $(@D)/contrib/systemd/smsgate.tmpfiles \
		$(TARGET_DIR)/usr/lib/tmpfiles.d/smsgate.conf
endef

SMSGATE_POST_INSTALL_TARGET_HOOKS += \
	SMSGATE_INSTALL_LINKS \
	SMSGATE_INSTALL_UDEV_RULES \
	SMSGATE_INSTALL_ACCOUNT

define SMSGATE_INSTALL_INIT_SYSTEMD
	$(INSTALL) -D -m 0644 $(@D)/contrib/systemd/smsgate.service \
		$(TARGET_DIR)/usr/lib/systemd/system/smsgate.service
endef

# As in the overlay's sysusers.d. maint logs in by SSH if a key was provided.
define SMSGATE_USERS
	smsgate 650 smsgate 650 * - - dialout SMS gateway
	maint 651 maint 651 * /run/smsgate/maint /bin/sh systemd-journal Maintenance
endef

$(eval $(cargo-package))
