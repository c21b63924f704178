//! The options of 4.17's tool, which may stand anywhere in a line.

use super::reply::Refusal;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// Time limit of one request unless `-t` says otherwise.
pub const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Time limit of the whole command unless `-T` says otherwise.
pub const MAX_RUNTIME: Duration = Duration::from_secs(120);
/// Longest time that either option accepts.
const LONGEST_LIMIT_S: u64 = 24 * 3600;

/// Whom a command is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NodeChoice {
    /// The node of the console.
    #[default]
    Own,
    /// `-n N`.
    One(u32),
    /// `-n all`: every connected node.
    All,
}

/// How the answer looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Human,
    /// `-X`, `-Y`: fields between separators, for the commands for which 4.17 has such a form.
    Machine(char),
    /// `-j`: one JSON document.
    Json,
}

/// All options of one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// `-n`
    pub node: NodeChoice,
    /// `-X`, `-Y`, `-x`, `-j`
    pub format: Format,
    /// `-v`
    pub verbose: bool,
    /// `-t`: for each request to a daemon.
    pub time_limit: Duration,
    /// `-T`: for the whole command.
    pub max_runtime: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            node: NodeChoice::Own,
            format: Format::Human,
            verbose: false,
            time_limit: TIME_LIMIT,
            max_runtime: MAX_RUNTIME,
        }
    }
}

/// What the options that are about the form said, before they are put together.
#[derive(Default)]
struct Form {
    machine: bool,
    forced: bool,
    json: bool,
    separator: Option<char>,
}

/// Takes the options out of the words; what remains is the command and its arguments. After `--` there
/// are no options.
pub fn take(words: Vec<Vec<u8>>) -> Result<(Options, Vec<Vec<u8>>), Refusal> {
    let mut options = Options::default();
    let mut form = Form::default();
    let mut plain = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if word == b"--" {
            plain.extend(words.by_ref());
        } else if let Some(long) = word.strip_prefix(b"--") {
            let text = String::from_utf8_lossy(long);
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (&*text, None),
            };
            let letter = letter(name).ok_or_else(|| unknown(&word))?;
            apply(&mut options, &mut form, letter, value, &mut words)?;
        } else if word.len() > 1 && word[0] == b'-' {
            take_letters(&mut options, &mut form, &word, &mut words)?;
        } else {
            plain.push(word);
        }
    }
    options.format = form.format()?;
    Ok((options, plain))
}

fn take_letters(
    options: &mut Options,
    form: &mut Form,
    word: &[u8],
    words: &mut impl Iterator<Item = Vec<u8>>,
) -> Result<(), Refusal> {
    let text = core::str::from_utf8(&word[1..]).map_err(|_| unknown(word))?;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let rest = letters.as_str();
        if "ntTxd".contains(letter) && !rest.is_empty() {
            let value = Some(rest.strip_prefix('=').unwrap_or(rest));
            return apply(options, form, letter, value, words);
        }
        apply(options, form, letter, None, words).map_err(|refusal| {
            match refusal.message.as_str() {
                "" => unknown(word),
                _ => refusal,
            }
        })?;
    }
    Ok(())
}

fn letter(name: &str) -> Option<char> {
    Some(match name {
        "node" => 'n',
        "timelimit" => 't',
        "maxruntime" => 'T',
        "separator" => 'x',
        "json" => 'j',
        "verbose" => 'v',
        "debug" => 'd',
        _ => return None,
    })
}

fn apply(
    options: &mut Options,
    form: &mut Form,
    letter: char,
    value: Option<&str>,
    words: &mut impl Iterator<Item = Vec<u8>>,
) -> Result<(), Refusal> {
    let mut value = || {
        let next = || words.next().and_then(|word| String::from_utf8(word).ok());
        let missing = || Refusal::new(format!("Invalid option -{letter}: missing argument"));
        value.map(String::from).or_else(next).ok_or_else(missing)
    };
    match letter {
        'n' => options.node = node(&value()?)?,
        't' => options.time_limit = seconds(letter, &value()?)?,
        'T' => options.max_runtime = seconds(letter, &value()?)?,
        'x' => form.separator = Some(separator(&value()?)?),
        // The level of the tool's own log: it keeps none.
        'd' => drop(value()?),
        'X' => form.forced = true,
        'Y' => form.machine = true,
        'j' => form.json = true,
        'v' => options.verbose = true,
        _ => return Err(Refusal::new("")),
    }
    Ok(())
}

impl Form {
    fn format(&self) -> Result<Format, Refusal> {
        let machine = self.machine || self.forced;
        if self.json && machine {
            return Err(Refusal::new("-j can't be used with -X or -Y"));
        }
        // -x alone changes nothing, as in 4.17; -X always means `|`.
        Ok(match (self.json, self.forced) {
            (true, _) => Format::Json,
            (_, true) => Format::Machine('|'),
            _ if machine => Format::Machine(self.separator.unwrap_or('|')),
            _ => Format::Human,
        })
    }
}

fn node(text: &str) -> Result<NodeChoice, Refusal> {
    if text == "all" {
        return Ok(NodeChoice::All);
    }
    let invalid = |_| Refusal::new(format!("Invalid option -n {text}: a node number or 'all'"));
    text.parse().map(NodeChoice::One).map_err(invalid)
}

fn seconds(letter: char, text: &str) -> Result<Duration, Refusal> {
    let valid = text
        .parse()
        .ok()
        .filter(|s| (1..=LONGEST_LIMIT_S).contains(s));
    let limit = valid.map(Duration::from_secs);
    limit.ok_or_else(|| Refusal::new(format!("Invalid option -{letter} {text}: seconds, from 1")))
}

fn separator(text: &str) -> Result<char, Refusal> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) if !c.is_control() => Ok(c),
        _ => Err(Refusal::new(format!(
            "Invalid separator '{text}' - only 1 character allowed"
        ))),
    }
}

fn unknown(word: &[u8]) -> Refusal {
    let word = String::from_utf8_lossy(word);
    Refusal::new(format!("Invalid option {word}: unknown option"))
}

#[cfg(test)]
mod tests {
    use super::super::quote;
    use super::*;

    fn read(line: &str) -> Result<(Options, String), String> {
        let words = quote::split(line.as_bytes()).expect("no quotes here");
        let (options, rest) = take(words).map_err(|refusal| refusal.message)?;
        let rest = String::from_utf8(rest.join(&b' ')).expect("text");
        Ok((options, rest))
    }

    #[test]
    fn options_stand_anywhere() {
        for line in [
            "-n 2 -Xv ip all",
            "ip -v all -X -n2",
            "ip all -vX --node=2",
            "ip -vXn 2 all",
        ] {
            let (options, rest) = read(line).expect(line);
            assert_eq!(rest, "ip all", "{line}");
            assert_eq!(options.node, NodeChoice::One(2), "{line}");
            assert_eq!(options.format, Format::Machine('|'), "{line}");
            assert!(options.verbose, "{line}");
        }
        let (options, rest) = read("-t 3 ping -T60 -n all -- -n x").expect("valid");
        assert_eq!(rest, "ping -n x");
        assert_eq!(options.time_limit, Duration::from_secs(3));
        assert_eq!(options.max_runtime, Duration::from_secs(60));
        assert_eq!(options.node, NodeChoice::All);
    }

    #[test]
    fn forms() {
        for (line, format) in [
            ("", Format::Human),
            ("-X", Format::Machine('|')),
            ("-Y", Format::Machine('|')),
            ("-Y -x ,", Format::Machine(',')),
            ("-x : -Y", Format::Machine(':')),
            ("-x :", Format::Human),
            ("-X -x :", Format::Machine('|')),
            ("-j", Format::Json),
            ("--json", Format::Json),
        ] {
            assert_eq!(read(line).expect(line).0.format, format, "{line}");
        }
    }

    #[test]
    fn wrong_ones_are_named() {
        for (line, part) in [
            ("-q", "-q: unknown option"),
            ("--frob", "--frob: unknown option"),
            ("ban -3", "-3: unknown option"),
            ("-n", "-n: missing argument"),
            ("-n x", "-n x: a node number"),
            ("-t 0", "-t 0: seconds"),
            ("-T -1", "-T -1: seconds"),
            ("-x ab", "only 1 character"),
            ("-j -X", "can't be used"),
        ] {
            let message = read(line).expect_err(line);
            assert!(message.contains(part), "{line}: {message}");
        }
    }
}
