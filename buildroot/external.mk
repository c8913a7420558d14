include $(sort $(wildcard $(BR2_EXTERNAL_SMSGATE_PATH)/package/*/*.mk))

# Kconfig drops an option whose dependencies are not met, and says nothing. A kernel without a modem driver or without a
# file system is found here, not by a customer.
define SMSGATE_LINUX_CHECK_DOTCONFIG
	$(BR2_EXTERNAL_SMSGATE_PATH)/board/common/linux-check-dotconfig \
		$(LINUX_DIR)/.config $(call qstrip,$(BR2_LINUX_KERNEL_CONFIG_FRAGMENT_FILES))
endef
LINUX_POST_CONFIGURE_HOOKS += SMSGATE_LINUX_CHECK_DOTCONFIG
