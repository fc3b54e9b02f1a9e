//! Scopes as types, so that a handler's signature says what its caller must be allowed to do.

use std::fmt;
use std::marker::PhantomData;

use crate::keys::{Scope, ScopeSet};

/// What an endpoint asks of its caller.
pub trait Requirement: fmt::Debug + Send + Sync + 'static {
    /// Scopes of which one suffices; empty: every valid API key.
    const ANY_OF: &'static [Scope];

    /// Whether a key with these scopes may call.
    #[must_use]
    fn is_met_by(scopes: ScopeSet) -> bool {
        Self::ANY_OF.is_empty() || Self::ANY_OF.iter().any(|scope| scopes.contains(*scope))
    }
}

/// A requirement of exactly one scope.
pub trait OneScope: fmt::Debug + Send + Sync + 'static {
    /// Which.
    const SCOPE: Scope;
}

/// Every valid API key will do.
#[derive(Debug)]
pub struct AnyKey;

impl Requirement for AnyKey {
    const ANY_OF: &'static [Scope] = &[];
}

/// Either of two scopes will do.
#[derive(Debug)]
pub struct AnyOf<A, B>(PhantomData<fn() -> (A, B)>);

impl<A: OneScope, B: OneScope> Requirement for AnyOf<A, B> {
    const ANY_OF: &'static [Scope] = &[A::SCOPE, B::SCOPE];
}

macro_rules! scope_types {
    ($($name:ident),+) => {$(
        #[doc = concat!("[`Scope::", stringify!($name), "`].")]
        #[derive(Debug)]
        pub struct $name;

        impl OneScope for $name {
            const SCOPE: Scope = Scope::$name;
        }

        impl Requirement for $name {
            const ANY_OF: &'static [Scope] = &[Scope::$name];
        }
    )+};
}

scope_types!(
    ReadChargePoints,
    WriteChargePoints,
    ReadSessions,
    WriteSessions,
    ReadAnalytics,
    ReadBilling,
    WriteApiKeys,
    WriteCommands
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_scope_of_several_suffices_and_none_is_needed_for_any_key() {
        let set = |scope| [scope].into_iter().collect::<ScopeSet>();
        type Either = AnyOf<ReadChargePoints, ReadAnalytics>;
        assert!(Either::is_met_by(set(Scope::ReadChargePoints)));
        assert!(Either::is_met_by(set(Scope::ReadAnalytics)));
        assert!(!Either::is_met_by(set(Scope::WriteChargePoints)));
        assert!(!WriteApiKeys::is_met_by(set(Scope::ReadAnalytics)));
        assert!(AnyKey::is_met_by(ScopeSet::default()));
    }
}
