//! Reads shell assignments without running anything.
//!
//! The legacy files are shell text: quotes, `export`, comments, continued lines, several statements
//! on a line. Assignments are taken; `$NAME` and `${NAME}` of earlier assignments are filled in; a
//! command substitution or any other statement is reported with its line and has no effect.

use std::collections::BTreeMap;

/// One `NAME=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) name: String,
    pub(super) value: String,
    /// Line of the name, from 1.
    pub(super) line: usize,
}

/// A statement that was not taken, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Skipped {
    pub(super) line: usize,
    pub(super) message: String,
}

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) assignments: Vec<Assignment>,
    pub(super) skipped: Vec<Skipped>,
}

/// Piece of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(String),
    /// Something that only a running shell could fill in.
    Substitution,
}

/// A word with the line on which it starts.
#[derive(Debug)]
struct Word {
    parts: Vec<Part>,
    line: usize,
}

/// Reads a file; `known` gives the variables that exist before its first line.
pub(super) fn read(text: &str, known: &BTreeMap<String, String>) -> Script {
    let mut script = Script::default();
    let mut variables = known.clone();
    let mut lexer = Lexer::new(text);
    while let Some(statement) = lexer.statement() {
        let plain: Vec<&str> = statement.iter().map(Word::leading_text).collect();
        let exports = matches!(plain.first(), Some(&("export" | "readonly")));
        let words = &statement[usize::from(exports)..];
        if words.iter().all(|word| word.name().is_some()) {
            for word in words {
                take(word, &mut variables, &mut script);
            }
        } else if !exports {
            let line = statement.first().map_or(0, |word| word.line);
            let message = format!("\"{}\" is no assignment and is not run", plain.join(" "));
            script.skipped.push(Skipped { line, message });
        }
    }
    if let Some(line) = lexer.unclosed {
        let message = "a quote opened here is never closed; the rest is skipped".to_owned();
        script.skipped.push(Skipped { line, message });
    }
    script
}

fn take(word: &Word, variables: &mut BTreeMap<String, String>, script: &mut Script) {
    let Some(name) = word.name() else { return };
    let mut value = String::new();
    for (index, part) in word.parts.iter().enumerate() {
        match part {
            Part::Text(text) if index == 0 => value.push_str(&text[name.len() + 1..]),
            Part::Text(text) => value.push_str(text),
            Part::Variable(reference) => {
                let Some(text) = variables.get(reference) else {
                    let message = format!("{name} is skipped: ${reference} has no value here");
                    script.skipped.push(Skipped {
                        line: word.line,
                        message,
                    });
                    return;
                };
                value.push_str(text);
            }
            Part::Substitution => {
                let message = format!("{name} is skipped: its value would need a command to run");
                script.skipped.push(Skipped {
                    line: word.line,
                    message,
                });
                return;
            }
        }
    }
    variables.insert(name.to_owned(), value.clone());
    script.assignments.push(Assignment {
        name: name.to_owned(),
        value,
        line: word.line,
    });
}

impl Word {
    fn leading_text(&self) -> &str {
        match self.parts.first() {
            Some(Part::Text(text)) => text,
            _ => "",
        }
    }

    /// The variable's name if the word is an assignment.
    fn name(&self) -> Option<&str> {
        let (name, _) = self.leading_text().split_once('=')?;
        is_name(name).then_some(name)
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Splits text into statements of words, following the shell's rules of quoting.
struct Lexer<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    line: usize,
    unclosed: Option<usize>,
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text.chars().peekable(),
            line: 1,
            unclosed: None,
        }
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.next();
        self.line += usize::from(next == Some('\n'));
        next
    }

    /// The next statement with at least one word.
    fn statement(&mut self) -> Option<Vec<Word>> {
        let mut words = Vec::new();
        loop {
            match self.rest.peek() {
                None if words.is_empty() => return None,
                None => return Some(words),
                Some('\n' | ';' | '&' | '|') => {
                    self.next();
                    if !words.is_empty() {
                        return Some(words);
                    }
                }
                Some('#') => {
                    while self.rest.peek().is_some_and(|c| *c != '\n') {
                        self.next();
                    }
                }
                Some(c) if c.is_whitespace() => {
                    self.next();
                }
                Some(_) => words.extend(self.word()),
            }
        }
    }

    /// One word; `None` if it consisted of a continued line only or its quote is never closed.
    fn word(&mut self) -> Option<Word> {
        let line = self.line;
        let mut parts = Vec::new();
        let mut seen = false;
        while let Some(c) = self.rest.peek().copied() {
            if c.is_whitespace() || matches!(c, ';' | '&' | '|') {
                break;
            }
            self.next();
            match c {
                '\\' => match self.next() {
                    Some('\n') | None => continue,
                    Some(escaped) => push(&mut parts, escaped),
                },
                '\'' => self.single_quoted(&mut parts)?,
                '"' => self.double_quoted(&mut parts)?,
                '$' => self.dollar(&mut parts),
                '`' => self.substitution(&mut parts, '`'),
                _ => push(&mut parts, c),
            }
            seen = true;
        }
        seen.then_some(Word { parts, line })
    }

    fn single_quoted(&mut self, parts: &mut Vec<Part>) -> Option<()> {
        let start = self.line;
        push_empty(parts);
        loop {
            match self.next() {
                Some('\'') => return Some(()),
                Some(c) => push(parts, c),
                None => {
                    self.unclosed = Some(start);
                    return None;
                }
            }
        }
    }

    fn double_quoted(&mut self, parts: &mut Vec<Part>) -> Option<()> {
        let start = self.line;
        push_empty(parts);
        loop {
            match self.next() {
                Some('"') => return Some(()),
                Some('$') => self.dollar(parts),
                Some('`') => self.substitution(parts, '`'),
                Some('\\') => match self.next() {
                    Some('\n') | None => {}
                    Some(c @ ('"' | '\\' | '$' | '`')) => push(parts, c),
                    Some(c) => {
                        push(parts, '\\');
                        push(parts, c);
                    }
                },
                Some(c) => push(parts, c),
                None => {
                    self.unclosed = Some(start);
                    return None;
                }
            }
        }
    }

    /// What follows a `$`.
    fn dollar(&mut self, parts: &mut Vec<Part>) {
        match self.rest.peek() {
            Some('(') => self.substitution(parts, ')'),
            Some('{') => {
                self.next();
                let name = self.until('}');
                parts.push(if is_name(&name) {
                    Part::Variable(name)
                } else {
                    Part::Substitution
                });
            }
            Some(c) if c.is_ascii_alphabetic() || *c == '_' => {
                let mut name = String::new();
                while let Some(c) = self
                    .rest
                    .next_if(|c| c.is_ascii_alphanumeric() || *c == '_')
                {
                    name.push(c);
                }
                parts.push(Part::Variable(name));
            }
            Some('0'..='9' | '@' | '*' | '#' | '?' | '$' | '!' | '-') => {
                self.next();
                parts.push(Part::Substitution);
            }
            _ => push(parts, '$'),
        }
    }

    fn substitution(&mut self, parts: &mut Vec<Part>, end: char) {
        self.until(end);
        parts.push(Part::Substitution);
    }

    fn until(&mut self, end: char) -> String {
        let mut text = String::new();
        while let Some(c) = self.next().filter(|c| *c != end) {
            text.push(c);
        }
        text
    }
}

fn push(parts: &mut Vec<Part>, c: char) {
    match parts.last_mut() {
        Some(Part::Text(text)) => text.push(c),
        _ => parts.push(Part::Text(c.to_string())),
    }
}

/// An empty pair of quotes is a word too.
fn push_empty(parts: &mut Vec<Part>) {
    if parts.is_empty() {
        parts.push(Part::Text(String::new()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<(String, String, usize)> {
        let known = BTreeMap::from([("CTDB_BASE".to_owned(), "/etc/ctdb".to_owned())]);
        let script = read(text, &known);
        assert_eq!(script.skipped, [], "{text}");
        script
            .assignments
            .into_iter()
            .map(|a| (a.name, a.value, a.line))
            .collect()
    }

    fn value(text: &str) -> String {
        values(text).pop().expect("one assignment").1
    }

    fn skipped(text: &str) -> Vec<usize> {
        let script = read(text, &BTreeMap::new());
        assert_eq!(script.assignments, [], "{text}");
        script.skipped.iter().map(|skipped| skipped.line).collect()
    }

    #[test]
    fn quotes_and_escapes() {
        assert_eq!(value("A=plain"), "plain");
        assert_eq!(value("A=\"two words\" # note"), "two words");
        assert_eq!(value("A='$B \"x\" \\'"), "$B \"x\" \\");
        assert_eq!(value("A=a\\ b\"c\\\"d\\e\"'f'"), "a bc\"d\\ef");
        assert_eq!(value("A="), "");
        assert_eq!(value("A=''"), "");
        assert_eq!(value("A=x#y"), "x#y");
        assert_eq!(value("A=\"x\ny\""), "x\ny");
    }

    #[test]
    fn statements_comments_and_continuations() {
        let text = "# head\n\nexport A=1; B=2\n  C=x\\\ny\nD=4 E=5\nexport F\n";
        let names: Vec<_> = values(text);
        let expected = [
            ("A", "1", 3),
            ("B", "2", 3),
            ("C", "xy", 4),
            ("D", "4", 6),
            ("E", "5", 6),
        ];
        assert_eq!(
            names,
            expected.map(|(n, v, line)| (n.to_owned(), v.to_owned(), line))
        );
    }

    #[test]
    fn earlier_variables_are_filled_in() {
        assert_eq!(value("A=$CTDB_BASE/nodes"), "/etc/ctdb/nodes");
        assert_eq!(value("A=1\nB=\"${A}2\""), "12");
        assert_eq!(value("A=5$"), "5$");
    }

    #[test]
    fn nothing_is_ever_run() {
        assert_eq!(skipped("A=$(rm -rf /tmp/never)"), [1]);
        assert_eq!(skipped("\nA=`id`"), [2]);
        assert_eq!(skipped("A=${B:-c}\nB=$1\nC=$UNSET"), [1, 2, 3]);
        assert_eq!(skipped("ulimit -n 10000\n\n. /etc/other"), [1, 3]);
    }

    #[test]
    fn an_open_quote_ends_the_reading_with_its_line() {
        assert_eq!(skipped("\nA=\"open\nB=1\n"), [2]);
        assert_eq!(skipped("A='open"), [1]);
    }
}
