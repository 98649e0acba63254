//! Just enough YAML for camera calibrations, as OpenCV and ROS write them, and for the settings beside
//! checkpoints, as PyYAML and OmegaConf do.
//!
//! A document is a list of `key: value` lines with their indentation; lines without a key, and all lines up
//! to the bracket that closes an open one, belong to the value before. Tags such as `!!opencv-matrix` and
//! document marks are skipped. Whatever else YAML can say is passed over, so every reader checks what it got.

/// One `key: value`, with the lines that continue its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Columns before the key.
    indent: usize,
    /// The key, as written.
    pub key: String,
    /// The value without tags and comments, lines joined by spaces.
    pub value: String,
    /// Line of the key, counted from 1.
    pub line: usize,
}

/// Entries of a document in their order.
#[derive(Clone, Debug)]
pub struct Document(Vec<Entry>);

impl Document {
    /// Splits a text into entries; what is no entry and continues none is left out.
    pub fn read(text: &str) -> Self {
        let mut entries: Vec<Entry> = Vec::new();
        for (number, raw) in text.lines().enumerate() {
            let content = raw.split('#').next().unwrap_or_default().trim_end();
            let trimmed = content.trim_start();
            if trimmed.is_empty() || trimmed.starts_with('%') || trimmed.starts_with("---") {
                continue;
            }
            let inside = entries.last().is_some_and(|entry| open_brackets(&entry.value) > 0);
            match trimmed.split_once(':').filter(|(key, _)| is_key(key) && !inside) {
                Some((key, value)) => entries.push(Entry {
                    indent: content.len() - trimmed.len(),
                    key: key.trim().to_owned(),
                    value: without_tag(value).to_owned(),
                    line: number + 1,
                }),
                None => {
                    if let Some(last) = entries.last_mut() {
                        last.value.push(' ');
                        last.value.push_str(trimmed);
                    }
                }
            }
        }
        Self(entries)
    }

    /// The first entry with one of `keys`; of a matrix written with `rows`, `cols` and `data`, its data.
    pub fn find(&self, keys: &[&str]) -> Option<&Entry> {
        let at = self.0.iter().position(|entry| keys.contains(&entry.key.as_str()))?;
        let (entry, following) = self.0[at..].split_first()?;
        if !entry.value.is_empty() {
            return Some(entry);
        }
        following.iter().take_while(|inner| inner.indent > entry.indent).find(|inner| inner.key == "data")
    }

    /// The value under `path`, each key inside the one before, also inside of `{key: value, ...}`; without
    /// quotes.
    pub fn at(&self, path: &[&str]) -> Option<&str> {
        let mut level = self.0.as_slice();
        let mut path = path.iter();
        while let Some(key) = path.next() {
            let indent = level.first()?.indent;
            let at = level.iter().position(|entry| entry.indent == indent && entry.key == *key)?;
            let (entry, following) = level[at..].split_first()?;
            if path.len() == 0 || !entry.value.is_empty() {
                return path.try_fold(entry.value.as_str(), |value, key| inside(value, key)).map(unquoted);
            }
            let end = following.iter().position(|inner| inner.indent <= indent);
            level = &following[..end.unwrap_or(following.len())];
        }
        None
    }
}

/// The value of `key` in a `{key: value, ...}`.
fn inside<'t>(map: &'t str, key: &str) -> Option<&'t str> {
    let mut rest = map.trim().strip_prefix('{')?.strip_suffix('}')?;
    while !rest.is_empty() {
        // The comma that ends this entry is the first one outside of brackets.
        let commas = rest.match_indices(',').map(|(at, _)| at);
        let end = commas.chain([rest.len()]).find(|&at| open_brackets(&rest[..at]) == 0)?;
        let (name, value) = rest[..end].split_once(':')?;
        if unquoted(name.trim()) == key {
            return Some(value.trim());
        }
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    None
}

/// How many brackets of a text are not closed.
fn open_brackets(text: &str) -> i32 {
    let change = |c| match c {
        '{' | '[' => 1,
        '}' | ']' => -1,
        _ => 0,
    };
    text.chars().map(change).sum()
}

fn unquoted(value: &str) -> &str {
    let quoted = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    quoted('"').or_else(|| quoted('\'')).unwrap_or(value)
}

impl Entry {
    /// A text without keys as one value.
    pub fn plain(text: &str) -> Self {
        Self { indent: 0, key: String::new(), value: text.to_owned(), line: 1 }
    }

    /// The numbers of a value, through any nesting of lists.
    ///
    /// # Errors
    /// The first word that is no finite number.
    pub fn numbers(&self) -> Result<Vec<f64>, String> {
        numbers(&self.value)
    }
}

/// The numbers of a text, separated by spaces, commas, brackets or list dashes.
///
/// # Errors
/// The first word that is no finite number.
pub fn numbers(text: &str) -> Result<Vec<f64>, String> {
    text.split(|c: char| c.is_whitespace() || matches!(c, ',' | '[' | ']'))
        .filter(|word| !word.is_empty() && *word != "-")
        .map(|word| {
            word.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(|| word.to_owned())
        })
        .collect()
}

/// Keys are words; list items and bare numbers are none.
fn is_key(text: &str) -> bool {
    let text = text.trim_end();
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn without_tag(value: &str) -> &str {
    let value = value.trim();
    match value.strip_prefix('!') {
        Some(tagged) => tagged.split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim()),
        None => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_and_lists_give_their_numbers_in_every_way_of_writing() {
        let text = "%YAML:1.0\n---\nother: 3\na: !!opencv-matrix\n   rows: 1\n   data: [ 1., 2.5e+00,\n     3 ]\n\
                    b:\n- 1.0\n- -2.0 # last\nc: [[1, 0], [0, 1]]\n";
        let document = Document::read(text);
        let numbers = |key| document.find(&[key]).unwrap().numbers().unwrap();
        assert_eq!(numbers("a"), [1.0, 2.5, 3.0]);
        assert_eq!(numbers("b"), [1.0, -2.0]);
        assert_eq!(numbers("c"), [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(document.find(&["a"]).unwrap().line, 6);
        assert!(document.find(&["d"]).is_none());
    }

    #[test]
    fn nested_settings_are_found_in_block_and_in_flow_style() {
        let block = "A:\n  heads: 1\nMODEL:\n  LIST:\n  - x\n  - heads: 2\n    deep: 9\n  HEAD:\n    TYPE: 'vid'\n    \
                     DECODER:\n      heads: 8 # eight\n      norm: layer\nheads: 3\n";
        let flow = "A: {heads: 1}\nMODEL:\n  HEAD: {TYPE: \"vid\", DECODER: {list: [1, 2],\n    heads: 8,\n      norm: \
                    layer}}\nheads: 3\n";
        for text in [block, flow] {
            let document = Document::read(text);
            assert_eq!(document.at(&["MODEL", "HEAD", "DECODER", "heads"]), Some("8"));
            assert_eq!(document.at(&["MODEL", "HEAD", "DECODER", "norm"]), Some("layer"));
            assert_eq!(document.at(&["MODEL", "HEAD", "TYPE"]), Some("vid"));
            assert_eq!((document.at(&["heads"]), document.at(&["A", "heads"])), (Some("3"), Some("1")));
            for absent in [&["MODEL", "heads"][..], &["MODEL", "HEAD", "heads"], &["B"], &[]] {
                assert_eq!(document.at(absent), None, "{absent:?}");
            }
        }
    }

    #[test]
    fn a_word_among_the_numbers_is_named() {
        assert_eq!(numbers("1.0 x 2"), Err("x".to_owned()));
        assert_eq!(numbers("[1, nan]"), Err("nan".to_owned()));
    }
}
