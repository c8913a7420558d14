//! Files, TCP ports and signals: the plan, made binding for this process by Landlock (landlock(7)).
//!
//! Landlock binds the calling thread and those it starts from then on, so this happens before there are others. Older
//! kernels enforce less; what is enforced here is told.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, LandlockStatus, NetPort, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope, make_bitflags, path_beneath_rules,
};

use super::plan::{Access, Plan};

/// The youngest Landlock this was tested with. What later ones add (connecting to sockets by path, as the journal's) is
/// not asked for.
const TESTED: ABI = ABI::V7;

/// Restricts this thread, and those it starts, to the plan; the version of Landlock that does it. `None` if the kernel has
/// none.
pub(super) fn restrict(plan: &Plan, abstract_sockets: bool) -> Result<Option<i32>, RulesetError> {
    let mut scope: BitFlags<Scope> = Scope::Signal.into();
    if !abstract_sockets {
        scope |= Scope::AbstractUnixSocket;
    }
    let mut net: BitFlags<AccessNet> = AccessNet::ConnectTcp.into();
    if plan.listen.is_some() {
        net |= AccessNet::BindTcp;
    }
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(TESTED))?
        .handle_access(net)?
        .scope(scope)?
        .create()?;
    for grant in &plan.files {
        // What is not there cannot be granted, and most machines lack some of it.
        rules = rules.add_rules(path_beneath_rules([&grant.path], rights(grant.access)))?;
    }
    let connect = plan.connect.iter().map(|port| NetPort::new(*port, AccessNet::ConnectTcp));
    for port in connect.chain(plan.listen.map(|port| NetPort::new(port, AccessNet::BindTcp))) {
        rules = rules.add_rule(port)?;
    }
    let status = rules.restrict_self()?;
    Ok(match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _) => None,
        (_, LandlockStatus::Available { effective_abi, .. }) => Some((effective_abi as i32).min(TESTED as i32)),
        (_, LandlockStatus::NotEnabled | LandlockStatus::NotImplemented) => None,
    })
}

fn rights(access: Access) -> BitFlags<AccessFs> {
    match access {
        Access::Read => make_bitflags!(AccessFs::{ReadFile | ReadDir}),
        // Truncate: that is how an attribute in /sys is written.
        Access::Device => make_bitflags!(AccessFs::{ReadFile | ReadDir | WriteFile | Truncate | IoctlDev}),
        Access::Own => make_bitflags!(
            AccessFs::{ReadFile | ReadDir | WriteFile | Truncate | RemoveFile | RemoveDir | MakeReg | MakeDir | MakeSock}
        ),
    }
}

/// What each version of Landlock brought.
pub(super) fn enforced(version: i32) -> String {
    let mut kinds = vec!["files"];
    for (since, kind) in
        [(ABI::V4, "TCP ports"), (ABI::V5, "device control"), (ABI::V6, "signals and abstract sockets")]
    {
        if version >= since as i32 {
            kinds.push(kind);
        }
    }
    format!("{} (Landlock {version})", kinds.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_kernel_enforces_is_told_by_its_version() {
        for (version, words) in [
            (1, "files (Landlock 1)"),
            (4, "files, TCP ports (Landlock 4)"),
            (7, "files, TCP ports, device control, signals and abstract sockets (Landlock 7)"),
        ] {
            assert_eq!(enforced(version), words);
        }
    }
}
