//! Groups: made, changed, removed.

use base::{Fault, GroupId, fault::Code};

use super::Engine;
use crate::expiry::Expiry;
use crate::model::{Group, Policy, check_group_name, config};

/// What is to be different about a group; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct GroupChange {
    /// Its name.
    pub name: Option<String>,
    /// Its policy, whole.
    pub policy: Option<Policy>,
}

/// How far a change of policy may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyChange {
    /// Only say what it would be.
    Preview,
    /// As long as no recovery point goes at once.
    Harmless,
    /// Whatever goes.
    Any,
}

impl Engine {
    /// Returns the groups, by name.
    pub fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = self.inventory().groups.values().cloned().collect();
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        groups
    }

    /// Finds the group of that name or id.
    ///
    /// # Errors
    /// `GroupUnknown`.
    pub fn group(&self, name: &str) -> Result<Group, Fault> {
        self.inventory().resolve_group(name).cloned()
    }

    /// Returns the policy that a group gets if nothing else is said.
    pub fn standard_policy(&self) -> Policy {
        Policy::standard(self.inner.zone.clone())
    }

    /// Makes a group.
    ///
    /// # Errors
    /// `GroupNameInvalid`, `GroupExists`, `PolicyInvalid`, or the pool's own.
    pub fn create_group(&self, name: &str, policy: Policy) -> Result<Group, Fault> {
        let _deciding = self.deciding();
        let group = self.new_group(name, policy)?;
        self.put(&[config::group(&group)])?;
        Ok(group)
    }

    /// Returns a group that could be made; the caller writes it down.
    pub(super) fn new_group(&self, name: &str, policy: Policy) -> Result<Group, Fault> {
        check_group_name(name)?;
        policy.check_sense()?;
        self.refuse_taken(name)?;
        Ok(Group {
            id: GroupId::random(&self.inner.env),
            name: name.to_owned(),
            policy,
        })
    }

    fn refuse_taken(&self, name: &str) -> Result<(), Fault> {
        let inventory = self.inventory();
        let taken = inventory.groups.values().any(|group| group.name == name);
        if taken {
            return Err(Fault::new(Code::GroupExists).with("group", name));
        }
        Ok(())
    }

    /// Changes a group's name or policy. What the ledger holds of an old schedule is planned anew at the
    /// scheduler's next look.
    ///
    /// # Errors
    /// `GroupUnknown`, `GroupNameInvalid`, `GroupExists`, `PolicyInvalid`, or the pool's own.
    pub fn change_group(&self, name: &str, change: GroupChange) -> Result<Group, Fault> {
        let _deciding = self.deciding();
        let mut group = self.group(name)?;
        if let Some(name) = change.name
            && name != group.name
        {
            check_group_name(&name)?;
            self.refuse_taken(&name)?;
            group.name = name;
        }
        if let Some(policy) = change.policy {
            policy.check_sense()?;
            group.policy = policy;
        }
        self.put(&[config::group(&group)])?;
        Ok(group)
    }

    /// Changes a group's policy to what `change` makes of it, which nobody else changes meanwhile, as far as `mode` lets it. Returns
    /// the group as it is then, or would be, and the points that go at once.
    ///
    /// # Errors
    /// As [`Self::change_group`], or what `change` returned; `PointsWouldExpire`.
    pub fn change_policy(
        &self,
        name: &str,
        change: impl FnOnce(Policy) -> Result<Policy, Fault>,
        mode: PolicyChange,
    ) -> Result<(Group, Vec<Expiry>), Fault> {
        let _deciding = self.deciding();
        let group = self.group(name)?;
        let policy = change(group.policy.clone())?;
        policy.check_sense()?;
        let expiries = self.expiring_by(&group, &policy)?;
        let count: usize = expiries.iter().map(|expiry| expiry.points.len()).sum();
        if mode == PolicyChange::Harmless && count > 0 {
            return Err(Fault::new(Code::PointsWouldExpire)
                .with("group", &group.name)
                .with("count", count));
        }
        let group = Group { policy, ..group };
        if mode != PolicyChange::Preview {
            self.put(&[config::group(&group)])?;
        }
        Ok((group, expiries))
    }

    /// Removes a group that has no members.
    ///
    /// # Errors
    /// `GroupUnknown`, `PolicyInvalid` while it has members, or the pool's own.
    pub fn remove_group(&self, name: &str) -> Result<(), Fault> {
        let _deciding = self.deciding();
        let inventory = self.inventory();
        let group = inventory.resolve_group(name)?;
        if inventory.members_of(&group.id).next().is_some() {
            return Err(Fault::new(Code::PolicyInvalid).with(
                "reason",
                "the group still has members, who would have no policy",
            ));
        }
        self.put(&[config::no_group(&group.id)])
    }
}
