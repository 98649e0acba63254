//! Reads Python pickles without Python: a stack machine that only builds values.
//!
//! Classes and functions named in a pickle stay names; nothing is imported or called. All protocols
//! (0-5) and Python 2's byte strings are understood. Values live in one flat arena and refer to each
//! other by number, so that shared, nested or circular data costs no more memory than the file has
//! instructions, and reading and dropping never recurse. Format: CPython's `Lib/pickletools.py`.

mod machine;
mod operands;

use std::borrow::Cow;

use self::machine::Machine;

/// Most instructions of a pickle: MANO's has a few thousand, a large checkpoint with optimiser states below
/// 200 000.
const MOST_STEPS: usize = 1 << 20;

/// Number of a value in the arena.
pub(crate) type Id = usize;

/// Why a pickle cannot be read, as the end of a sentence.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum PickleError {
    /// The bytes end before the last instruction.
    #[error("the pickle ends in the middle; copy the file again")]
    Truncated,
    /// An instruction needs a value where there is none.
    #[error("it is no pickle, or a damaged one: an instruction finds nothing to work on")]
    Underflow,
    /// An instruction's operand makes no sense.
    #[error("the pickle is damaged: {0}")]
    Damaged(&'static str),
    /// A name is no text.
    #[error("it is no pickle, or a damaged one: a name is not text")]
    NotText,
    /// An unknown instruction.
    #[error("the pickle uses instruction 0x{0:02x}, which this reader does not know")]
    Instruction(u8),
    /// It does not end.
    #[error("the pickle has more than {MOST_STEPS} instructions, far more than a model file")]
    TooLong,
}

/// A value of a pickle.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    /// `None`.
    None,
    /// A number; booleans are 0 and 1.
    Int(i64),
    /// A floating-point number or an integer of more than 64 bits; arrays carry theirs as bytes, so its
    /// value is of no use.
    OtherNumber,
    /// Bytes, and Python 2's strings.
    Bytes(Cow<'a, [u8]>),
    /// A string.
    Text(Cow<'a, str>),
    /// A list, tuple or set.
    Sequence(Vec<Id>),
    /// A dictionary.
    Dict(Vec<(Id, Id)>),
    /// The name of a class or function.
    Global(Cow<'a, str>, Cow<'a, str>),
    /// What a class or function would have made of its arguments.
    Object(Object),
    /// Something kept outside of the pickle, known by this name.
    Persistent(Id),
}

/// An object that was not made.
#[derive(Debug)]
pub(crate) struct Object {
    /// Class or function.
    pub class: Id,
    /// Its arguments, a sequence.
    pub arguments: Id,
    /// The state it was to be given afterwards.
    pub state: Option<Id>,
    /// Entries it was to be given as a dictionary.
    pub items: Vec<(Id, Id)>,
}

/// A pickle's values.
pub(crate) struct Pickle<'a> {
    values: Vec<Value<'a>>,
    root: Id,
}

impl<'a> Pickle<'a> {
    /// Runs the pickle at the start of `bytes`.
    ///
    /// # Errors
    /// [`PickleError`].
    pub fn read(bytes: &'a [u8]) -> Result<Self, PickleError> {
        let mut machine = Machine::new(bytes);
        for _ in 0..MOST_STEPS {
            if let Some(root) = machine.step()? {
                return Ok(Self { values: machine.into_values(), root });
            }
        }
        Err(PickleError::TooLong)
    }

    /// What the pickle holds.
    pub fn root(&self) -> Id {
        self.root
    }

    /// The value with a number that came from this pickle.
    pub fn value(&self, id: Id) -> &Value<'a> {
        &self.values[id]
    }

    /// Text, or the bytes of a Python 2 string.
    pub fn text(&self, id: Id) -> Option<&str> {
        match self.value(id) {
            Value::Text(text) => Some(text),
            Value::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The items of a list, tuple or set.
    pub fn sequence(&self, id: Id) -> Option<&[Id]> {
        match self.value(id) {
            Value::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of a dictionary, or of an object that is one.
    pub fn entries(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.value(id) {
            Value::Dict(entries) | Value::Object(Object { items: entries, .. }) => Some(entries),
            _ => None,
        }
    }

    /// Module and name of a class or function.
    pub fn global(&self, id: Id) -> Option<(&str, &str)> {
        match self.value(id) {
            Value::Global(module, name) => Some((module, name)),
            _ => None,
        }
    }

    /// A list or tuple of sizes.
    pub fn sizes(&self, id: Id) -> Option<Vec<usize>> {
        self.sequence(id)?.iter().map(|&size| self.size(size)).collect()
    }

    /// A number that is a size.
    pub fn size(&self, id: Id) -> Option<usize> {
        match self.value(id) {
            Value::Int(size) => usize::try_from(*size).ok(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(bytes: &[u8]) -> String {
        Pickle::read(bytes).err().map_or_else(String::new, |fault| fault.to_string())
    }

    #[test]
    fn values_of_every_protocol_are_built() {
        // pickle.dumps({'a': (1, -2.5)}, protocol) for 0, 2 and 4.
        let files: [&[u8]; 3] = [
            b"(dp0\nVa\np1\n(I1\nF-2.5\ntp2\ns.",
            b"\x80\x02}q\x00X\x01\x00\x00\x00aq\x01K\x01G\xc0\x04\x00\x00\x00\x00\x00\x00\x86q\x02s.",
            b"\x80\x04\x95\x17\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94K\x01G\xc0\x04\x00\x00\x00\x00\x00\x00\x86\x94s.",
        ];
        for file in files {
            let pickle = Pickle::read(file).unwrap();
            let Value::Dict(entries) = pickle.value(pickle.root()) else { panic!("no dictionary") };
            let [(key, value)] = entries[..] else { panic!("{} entries", entries.len()) };
            assert!(matches!(pickle.value(key), Value::Text(text) if text == "a"));
            let Value::Sequence(pair) = pickle.value(value) else { panic!("no tuple") };
            assert!(matches!(pickle.value(pair[0]), Value::Int(1)));
            assert!(matches!(pickle.value(pair[1]), Value::OtherNumber));
        }
    }

    #[test]
    fn a_call_stays_a_name() {
        let pickle = Pickle::read(b"cos\nsystem\n(S'rm -rf /'\ntR.").unwrap();
        let Value::Object(object) = pickle.value(pickle.root()) else { panic!("no object") };
        assert!(
            matches!(pickle.value(object.class), Value::Global(module, name) if module == "os" && name == "system")
        );
    }

    #[test]
    fn what_is_kept_outside_stays_a_name() {
        for file in [&b"Pweights\n."[..], b"S'weights'\nQ."] {
            let pickle = Pickle::read(file).unwrap();
            let Value::Persistent(name) = *pickle.value(pickle.root()) else { panic!("not kept outside") };
            assert_eq!(pickle.text(name), Some("weights"));
        }
    }

    #[test]
    fn deep_nesting_and_endless_sharing_cost_no_more_than_their_instructions() {
        let mut nested = vec![b']'; 400_000];
        nested.extend(vec![b'a'; 399_999]);
        nested.push(b'.');
        assert!(Pickle::read(&nested).is_ok());
        // Each line doubles what the list would unfold to.
        let mut doubling = b"]q\x00".to_vec();
        for _ in 0..1000 {
            doubling.extend(b"]q\x01h\x00ah\x00a0h\x01q\x00");
        }
        doubling.push(b'.');
        assert!(Pickle::read(&doubling).is_ok());
    }

    #[test]
    fn damaged_files_are_sentences() {
        assert!(fault(b"").contains("ends in the middle"));
        assert!(fault(b"T\xff\xff\xff\x7fabc").contains("ends in the middle"));
        assert!(fault(b"a.").contains("nothing to work on"));
        assert!(fault(b"(t0t.").contains("nothing to work on"));
        assert!(fault(b"h\x05.").contains("never stored"));
        assert!(fault(b"\x97.").contains("instruction 0x97"));
        assert!(fault(&vec![b'N'; MOST_STEPS + 1]).contains("more than"));
        assert!(fault(b"I99999999999999999999\n.").contains("number"));
    }

    #[test]
    fn every_cut_and_every_changed_byte_ends_without_a_panic() {
        let file = b"\x80\x02}q\x00X\x01\x00\x00\x00acnumpy\ndtype\nq\x01(U\x02f8K\x00t\x81}bsS'\\x00'\nV\\u0041\nI01\n\x87\x8a\x01\xff00.";
        for cut in 0..file.len() {
            let _ = Pickle::read(&file[..cut]);
            for value in 0..=255 {
                let mut changed = file.to_vec();
                changed[cut] = value;
                let _ = Pickle::read(&changed);
            }
        }
    }
}
