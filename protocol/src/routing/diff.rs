//! What has to be changed for the kernel to have what is wanted.

use super::route::{Routing, Scope};

/// Changes in the order in which they are to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// To be taken away, rules before the routes they point to.
    pub remove: Routing,
    /// To be added, routes before the rules that point to them.
    pub add: Routing,
}

impl Changes {
    /// Nothing to do.
    pub fn is_empty(&self) -> bool {
        [&self.remove, &self.add]
            .iter()
            .all(|part| part.rules.is_empty() && part.routes.is_empty())
    }
}

/// What leads from `present`, all that the kernel has, to `wanted` within the scope. What is outside stays untouched.
pub fn diff(scope: &Scope, wanted: &Routing, present: &Routing) -> Changes {
    let mut changes = Changes::default();
    for rule in present.rules.iter().filter(|rule| scope.has_rule(rule)) {
        if !wanted.rules.contains(rule) {
            changes.remove.rules.push(rule.clone());
        }
    }
    for route in present.routes.iter().filter(|route| scope.has_route(route)) {
        if !wanted.routes.iter().any(|want| want.is_met_by(route)) {
            changes.remove.routes.push(route.clone());
        }
    }
    for rule in &wanted.rules {
        if !present.rules.contains(rule) {
            changes.add.rules.push(rule.clone());
        }
    }
    for route in &wanted.routes {
        if !present.routes.iter().any(|have| route.is_met_by(have)) {
            changes.add.routes.push(route.clone());
        }
    }
    changes.add.routes.sort();
    changes
}
