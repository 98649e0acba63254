//! The stack machine.

use std::borrow::Cow;
use std::collections::HashMap;

use super::operands::{Operands, bad_number, raw_unicode, signed, unquoted, utf8};
use super::{Id, Object, PickleError, Value};

/// A pickle under way.
pub(super) struct Machine<'a> {
    operands: Operands<'a>,
    values: Vec<Value<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack at the open marks.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl<'a> Machine<'a> {
    /// Before the first instruction.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            operands: Operands(bytes),
            values: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        }
    }

    /// The values built so far.
    pub fn into_values(self) -> Vec<Value<'a>> {
        self.values
    }

    /// Carries out one instruction; the last one gives the number of the result.
    pub fn step(&mut self) -> Result<Option<Id>, PickleError> {
        let opcode = self.operands.byte()?;
        match opcode {
            b'.' => return self.pop().map(Some),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),
            b'2' => self.stack.push(self.top()?),
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Int(1)),
            0x89 => self.push(Value::Int(0)),
            b'F' | b'I' | b'L' | b'S' | b'V' => self.push_text_form(opcode)?,
            b'J' => self.push_int(4)?,
            b'K' => self.push_unsigned(1)?,
            b'M' => self.push_unsigned(2)?,
            0x8a => self.push_long(1)?,
            0x8b => self.push_long(4)?,
            b'G' => {
                self.operands.take(8)?;
                self.push(Value::OtherNumber);
            }
            b'U' | b'C' => self.push_bytes(1)?,
            b'T' | b'B' => self.push_bytes(4)?,
            0x8e | 0x96 => self.push_bytes(8)?,
            0x8c => self.push_text(1)?,
            b'X' => self.push_text(4)?,
            0x8d => self.push_text(8)?,
            b')' | b']' | 0x8f => self.push(Value::Sequence(Vec::new())),
            b't' | b'l' | 0x91 => {
                let items = self.pop_mark()?;
                self.push(Value::Sequence(items));
            }
            0x85..=0x87 => self.push_tuple(usize::from(opcode - 0x84))?,
            b'}' => self.push(Value::Dict(Vec::new())),
            b'd' => {
                let items = self.pop_mark()?;
                self.push(Value::Dict(pairs(&items)?));
            }
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' | 0x90 => {
                let items = self.pop_mark()?;
                self.append(items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set_items(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.set_items(&items)?;
            }
            b'c' => {
                let (module, name) = (self.operands.line_text()?, self.operands.line_text()?);
                self.push(Value::Global(module, name));
            }
            0x93 => self.push_stack_global()?,
            b'R' | 0x81 => {
                let (arguments, class) = (self.pop()?, self.pop()?);
                self.push_object(class, arguments);
            }
            0x92 => {
                let (_keywords, arguments, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.push_object(class, arguments);
            }
            b'o' | b'i' => self.push_instance(opcode)?,
            b'b' => {
                let state = self.pop()?;
                let target = self.top()?;
                if let Value::Object(object) = &mut self.values[target] {
                    object.state = Some(state);
                }
            }
            b'p' | b'q' | b'r' | 0x94 => {
                let key = if opcode == 0x94 { self.memo.len() as u64 } else { self.memo_key(opcode)? };
                let value = self.top()?;
                self.memo.insert(key, value);
            }
            b'g' | b'h' | b'j' => {
                let key = self.memo_key(opcode)?;
                let value =
                    self.memo.get(&key).ok_or(PickleError::Damaged("it recalls what it never stored"))?;
                self.stack.push(*value);
            }
            0x80 => drop(self.operands.byte()?),
            0x95 => drop(self.operands.take(8)?),
            b'P' => {
                let name = self.operands.line_text()?;
                self.values.push(Value::Text(name));
                self.push(Value::Persistent(self.values.len() - 1));
            }
            b'Q' => {
                let name = self.pop()?;
                self.push(Value::Persistent(name));
            }
            other => return Err(PickleError::Instruction(other)),
        }
        Ok(None)
    }

    fn push(&mut self, value: Value<'a>) {
        self.values.push(value);
        self.stack.push(self.values.len() - 1);
    }

    fn top(&self) -> Result<Id, PickleError> {
        // What lies below an open mark may not be taken.
        let floor = self.marks.last().copied().unwrap_or(0);
        self.stack.get(floor..).and_then(<[Id]>::last).copied().ok_or(PickleError::Underflow)
    }

    fn pop(&mut self) -> Result<Id, PickleError> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, PickleError> {
        let mark = self.marks.pop().ok_or(PickleError::Underflow)?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn push_tuple(&mut self, size: usize) -> Result<(), PickleError> {
        let mut items = Vec::with_capacity(size);
        for _ in 0..size {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Value::Sequence(items));
        Ok(())
    }

    fn append(&mut self, items: Vec<Id>) -> Result<(), PickleError> {
        let target = self.top()?;
        if let Value::Sequence(list) = &mut self.values[target] {
            list.extend(items);
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[Id]) -> Result<(), PickleError> {
        let target = self.top()?;
        match &mut self.values[target] {
            Value::Dict(entries) | Value::Object(Object { items: entries, .. }) => {
                entries.extend(pairs(items)?)
            }
            _ => return Err(PickleError::Damaged("it adds entries to what is no dictionary")),
        }
        Ok(())
    }

    fn push_object(&mut self, class: Id, arguments: Id) {
        self.push(Value::Object(Object { class, arguments, state: None, items: Vec::new() }));
    }

    /// Protocol 0's objects: the class comes first after the mark, or by name.
    fn push_instance(&mut self, opcode: u8) -> Result<(), PickleError> {
        let name = if opcode == b'i' {
            Some((self.operands.line_text()?, self.operands.line_text()?))
        } else {
            None
        };
        let mut items = self.pop_mark()?;
        if let Some((module, name)) = name {
            self.values.push(Value::Global(module, name));
            items.insert(0, self.values.len() - 1);
        }
        let class = *items.first().ok_or(PickleError::Underflow)?;
        self.values.push(Value::Sequence(items.split_off(1)));
        self.push_object(class, self.values.len() - 1);
        Ok(())
    }

    fn push_stack_global(&mut self) -> Result<(), PickleError> {
        let (name, module) = (self.pop()?, self.pop()?);
        match (&self.values[module], &self.values[name]) {
            (Value::Text(module), Value::Text(name)) => {
                let global = Value::Global(module.clone(), name.clone());
                self.push(global);
                Ok(())
            }
            _ => Err(PickleError::Damaged("it names a class by what is no text")),
        }
    }

    fn memo_key(&mut self, opcode: u8) -> Result<u64, PickleError> {
        match opcode {
            b'p' | b'g' => self.operands.line_text()?.trim().parse().map_err(|_| bad_number()),
            b'q' | b'h' => Ok(u64::from(self.operands.byte()?)),
            _ => self.operands.length(4).map(|key| key as u64),
        }
    }

    /// The instructions of protocol 0 whose operand is a line of text.
    fn push_text_form(&mut self, opcode: u8) -> Result<(), PickleError> {
        let value = match opcode {
            b'S' => Value::Bytes(Cow::Owned(unquoted(self.operands.line()?)?)),
            b'V' => Value::Text(Cow::Owned(raw_unicode(self.operands.line()?)?)),
            b'F' => {
                self.operands.line()?;
                Value::OtherNumber
            }
            _ => Value::Int(
                self.operands.line_text()?.trim().trim_end_matches('L').parse().map_err(|_| bad_number())?,
            ),
        };
        self.push(value);
        Ok(())
    }

    fn push_unsigned(&mut self, size: usize) -> Result<(), PickleError> {
        let value = self.operands.length(size)? as i64;
        self.push(Value::Int(value));
        Ok(())
    }

    fn push_int(&mut self, size: usize) -> Result<(), PickleError> {
        let value = signed(self.operands.take(size)?);
        self.push(value.map_or(Value::OtherNumber, Value::Int));
        Ok(())
    }

    fn push_long(&mut self, length_bytes: usize) -> Result<(), PickleError> {
        let size = self.operands.length(length_bytes)?;
        self.push_int(size)
    }

    fn push_bytes(&mut self, length_bytes: usize) -> Result<(), PickleError> {
        let size = self.operands.length(length_bytes)?;
        let bytes = self.operands.take(size)?;
        self.push(Value::Bytes(Cow::Borrowed(bytes)));
        Ok(())
    }

    fn push_text(&mut self, length_bytes: usize) -> Result<(), PickleError> {
        let size = self.operands.length(length_bytes)?;
        let text = utf8(self.operands.take(size)?)?;
        self.push(Value::Text(Cow::Borrowed(text)));
        Ok(())
    }
}

fn pairs(items: &[Id]) -> Result<Vec<(Id, Id)>, PickleError> {
    let (pairs, rest) = items.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(PickleError::Underflow);
    }
    Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
}
