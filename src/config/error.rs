//! What is wrong with the configuration, and where.

use std::fmt;

/// A line of a file, or another source of settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// File path, `environment` or `command line`.
    pub file: String,
    /// Line number from 1; 0 means the source as a whole.
    pub line: u32,
}

impl Place {
    /// A line of a file.
    pub fn line(file: &str, line: usize) -> Self {
        Self {
            file: file.to_owned(),
            line: u32::try_from(line).unwrap_or(u32::MAX),
        }
    }

    /// A file as a whole, or a source without lines.
    pub fn whole(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            line: 0,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}", self.file),
        }
    }
}

/// One reason why the daemon does not start (or a reload keeps the old configuration).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// Where it stands.
    pub place: Place,
    /// The key or word at fault, as far as there is one.
    pub key: Option<String>,
    /// What is wrong with it.
    pub message: String,
    /// The valid name closest to what was written.
    pub nearest: Option<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(nearest) = &self.nearest {
            write!(f, "; did you mean \"{nearest}\"?")?;
        }
        Ok(())
    }
}

/// Everything found wrong in one reading of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// At least one error, in the order of the files.
    pub errors: Vec<ConfigError>,
    /// What would only have been warned about.
    pub warnings: Vec<super::warning::Warning>,
}

impl Refused {
    /// The environment of the process itself is wrong.
    pub fn of_environment(message: &str) -> Self {
        let place = Place::whole("environment");
        let error = ConfigError {
            place,
            key: None,
            message: message.to_owned(),
            nearest: None,
        };
        Self {
            errors: vec![error],
            warnings: Vec::new(),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}
