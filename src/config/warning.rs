//! What the configuration says that has no effect or a surprising one; never stops the daemon.

use std::fmt;

use super::error::{ConfigError, Place, Refused};

/// One WARNING, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Where it stands.
    pub place: Place,
    /// What the admin should know.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Collects errors and warnings while files are read, so that one run names them all.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) errors: Vec<ConfigError>,
    pub(super) warnings: Vec<Warning>,
}

impl Findings {
    pub(super) fn warn(&mut self, place: &Place, message: impl Into<String>) {
        self.warnings.push(Warning {
            place: place.clone(),
            message: message.into(),
        });
    }

    pub(super) fn refuse(&mut self, place: &Place, key: &str, message: impl Into<String>) {
        self.refuse_near(place, key, message, None);
    }

    pub(super) fn refuse_near(
        &mut self,
        place: &Place,
        key: &str,
        message: impl Into<String>,
        nearest: Option<String>,
    ) {
        self.errors.push(ConfigError {
            place: place.clone(),
            key: (!key.is_empty()).then(|| key.to_owned()),
            message: message.into(),
            nearest,
        });
    }

    /// Everything found, for a configuration that does not count.
    pub(super) fn refused(self) -> Refused {
        Refused {
            errors: self.errors,
            warnings: self.warnings,
        }
    }
}
