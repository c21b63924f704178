//! Options of one letter, as `getopt` has them, for programs whose arguments are older than this project.

use std::ffi::OsString;

/// The arguments as text; bytes that are none are replaced, so that what is said of them can be printed.
pub(super) fn words(arguments: &[OsString]) -> Vec<String> {
    let words = arguments.iter().map(|word| word.to_string_lossy());
    words.map(std::borrow::Cow::into_owned).collect()
}

/// What the words of a command line are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    /// Each option with its value, in order.
    pub(super) options: Vec<(char, Option<String>)>,
    /// The others.
    pub(super) operands: Vec<String>,
}

/// Which options a program knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grammar {
    /// Letters that stand alone.
    pub(super) flags: &'static str,
    /// Letters with a value, in the same word or in the next one.
    pub(super) valued: &'static str,
    /// Whether options may stand behind operands.
    pub(super) anywhere: bool,
}

impl Grammar {
    /// Sorts the words; an error says which option is wrong.
    pub(super) fn read(self, words: &[String]) -> Result<Words, String> {
        let mut read = Words::default();
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            if word == "--" {
                read.operands.extend(rest.cloned());
                break;
            }
            let Some(letters) = word.strip_prefix('-').filter(|word| !word.is_empty()) else {
                read.operands.push(word.clone());
                if self.anywhere {
                    continue;
                }
                read.operands.extend(rest.cloned());
                break;
            };
            let mut letters = letters.chars();
            while let Some(letter) = letters.next() {
                if self.flags.contains(letter) {
                    read.options.push((letter, None));
                } else if self.valued.contains(letter) {
                    let inner = letters.as_str();
                    let value = if inner.is_empty() {
                        rest.next().cloned()
                    } else {
                        Some(inner.to_owned())
                    };
                    let value = value.ok_or_else(|| format!("-{letter} needs a value"))?;
                    read.options.push((letter, Some(value)));
                    break;
                } else {
                    return Err(format!("unknown option -{letter}"));
                }
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(anywhere: bool, text: &str) -> Result<(String, String), String> {
        let grammar = Grammar {
            flags: "ab",
            valued: "f",
            anywhere,
        };
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        let read = grammar.read(&words)?;
        let options = read.options.iter();
        let options = options.map(|(letter, value)| match value {
            Some(value) => format!("{letter}={value}"),
            None => letter.to_string(),
        });
        Ok((
            options.collect::<Vec<_>>().join(" "),
            read.operands.join(" "),
        ))
    }

    #[test]
    fn letters_may_share_a_word() {
        let words = |options: &str, operands: &str| Ok((options.into(), operands.into()));
        assert_eq!(read(false, "-ab -fx y"), words("a b f=x", "y"));
        assert_eq!(read(false, "-af x y -b"), words("a f=x", "y -b"));
        assert_eq!(read(true, "-f x y -b - z"), words("f=x b", "y - z"));
        assert_eq!(read(true, "y -- -b"), words("", "y -b"));
        assert_eq!(read(true, "-f"), Err("-f needs a value".into()));
        assert_eq!(read(true, "-ax"), Err("unknown option -x".into()));
    }
}
