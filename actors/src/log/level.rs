//! CTDB's eight levels beside slog's six, Samba's numbers, and syslog's priorities.

use ctdb_protocol::notice::Level;

/// The number of the seed manual: EMERG -3 … DEBUG 4.
pub const fn number(level: Level) -> i32 {
    level as i32
}

/// The level with that number; `None` outside -3…4.
pub fn from_number(number: i32) -> Option<Level> {
    Level::ALL.into_iter().find(|level| *level as i32 == number)
}

/// A level by its name (any case; `ERROR` is `ERR`) or by its number.
pub fn parse(text: &str) -> Option<Level> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("error") {
        return Some(Level::Err);
    }
    let named = Level::ALL
        .into_iter()
        .find(|level| level.name().eq_ignore_ascii_case(text));
    named.or_else(|| from_number(text.parse().ok()?))
}

/// slog's level of a record. NOTICE is slog's `Info`, so that each step below it has a partner.
pub const fn to_slog(level: Level) -> slog::Level {
    match level {
        Level::Emerg | Level::Alert | Level::Crit => slog::Level::Critical,
        Level::Err => slog::Level::Error,
        Level::Warning => slog::Level::Warning,
        Level::Notice => slog::Level::Info,
        Level::Info => slog::Level::Debug,
        Level::Debug => slog::Level::Trace,
    }
}

/// The level of a record that carries none of its own.
pub const fn from_slog(level: slog::Level) -> Level {
    match level {
        slog::Level::Critical => Level::Crit,
        slog::Level::Error => Level::Err,
        slog::Level::Warning => Level::Warning,
        slog::Level::Info => Level::Notice,
        slog::Level::Debug => Level::Info,
        slog::Level::Trace => Level::Debug,
    }
}

/// The number that 4.17's client socket speaks: ERR 0, WARNING 1, NOTICE 3, INFO 5, DEBUG 10.
pub const fn to_samba(level: Level) -> i32 {
    match level {
        Level::Emerg | Level::Alert | Level::Crit | Level::Err => 0,
        Level::Warning => 1,
        Level::Notice => 3,
        Level::Info => 5,
        Level::Debug => 10,
    }
}

/// The level of such a number; those between two levels mean the more important one.
pub const fn from_samba(number: i32) -> Level {
    match number {
        ..=0 => Level::Err,
        1..=2 => Level::Warning,
        3..=4 => Level::Notice,
        5..=9 => Level::Info,
        10.. => Level::Debug,
    }
}

/// syslog's severity, 0 (emergency) to 7 (debug), RFC 5424 section 6.2.1.
pub const fn severity(level: Level) -> u8 {
    (level as i32 + 3).unsigned_abs() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_keeps_its_number_name_and_severity() {
        for (index, level) in (0_u8..).zip(Level::ALL) {
            assert_eq!(number(level), i32::from(index) - 3);
            assert_eq!(severity(level), index);
            assert_eq!(parse(level.name()), Some(level));
            assert_eq!(parse(&number(level).to_string()), Some(level));
        }
        assert_eq!(parse("error"), Some(Level::Err));
        assert_eq!(parse("notice"), Some(Level::Notice));
        assert_eq!((parse("5"), parse("loud")), (None, None));
    }

    #[test]
    fn sambas_numbers_round_down_to_a_level() {
        for level in Level::ALL.into_iter().filter(|level| *level >= Level::Err) {
            assert_eq!(from_samba(to_samba(level)), level);
            assert_eq!(from_slog(to_slog(level)), level);
        }
        let between = [
            (-1, Level::Err),
            (2, Level::Warning),
            (4, Level::Notice),
            (7, Level::Info),
        ];
        for (number, level) in between {
            assert_eq!(from_samba(number), level);
        }
        assert_eq!(from_samba(i32::MAX), Level::Debug);
    }
}
