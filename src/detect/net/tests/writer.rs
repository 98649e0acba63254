//! Writes small `.tflite` files, so that tests need no downloads.

/// A field of a table.
pub enum Field {
    Byte(i8),
    Number(i32),
    Table(Table),
    Numbers(Vec<i32>),
    Tables(Vec<Table>),
    Bytes(Vec<u8>),
}

/// Fields with their numbers, in any order.
pub type Table = Vec<(usize, Field)>;

/// A file with `root` as its root table.
pub fn file(root: Table) -> Vec<u8> {
    let mut file = vec![0; 4];
    file.extend_from_slice(b"TFL3");
    let at = append(&mut file, root);
    patch(&mut file, 0, at);
    file
}

/// Points the forward offset at `from` to `target`.
fn patch(file: &mut [u8], from: usize, target: usize) {
    file[from..from + 4].copy_from_slice(&((target - from) as u32).to_le_bytes());
}

fn append(file: &mut Vec<u8>, table: Table) -> usize {
    let fields = table.iter().map(|(number, _)| number + 1).max().unwrap_or(0);
    let vtable = file.len();
    let mut offsets = vec![0u16; fields];
    for (place, (number, _)) in table.iter().enumerate() {
        offsets[*number] = 4 + 4 * place as u16;
    }
    for word in [4 + 2 * fields as u16, 4 + 4 * table.len() as u16].into_iter().chain(offsets) {
        file.extend_from_slice(&word.to_le_bytes());
    }
    let at = file.len();
    file.extend_from_slice(&((at - vtable) as i32).to_le_bytes());
    file.resize(file.len() + 4 * table.len(), 0);
    for (place, (_, field)) in table.into_iter().enumerate() {
        let slot = at + 4 + 4 * place;
        match field {
            Field::Byte(value) => file[slot] = value as u8,
            Field::Number(value) => file[slot..slot + 4].copy_from_slice(&value.to_le_bytes()),
            Field::Table(table) => {
                let target = append(file, table);
                patch(file, slot, target);
            }
            Field::Numbers(values) => {
                list(file, slot, values.len());
                file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            }
            Field::Bytes(values) => {
                list(file, slot, values.len());
                file.extend(values);
            }
            Field::Tables(tables) => {
                list(file, slot, tables.len());
                let first = file.len();
                file.resize(first + 4 * tables.len(), 0);
                for (index, table) in tables.into_iter().enumerate() {
                    let target = append(file, table);
                    patch(file, first + 4 * index, target);
                }
            }
        }
    }
    at
}

/// Begins a list that the offset at `slot` points to.
fn list(file: &mut Vec<u8>, slot: usize, count: usize) {
    let head = file.len();
    patch(file, slot, head);
    file.extend_from_slice(&(count as u32).to_le_bytes());
}
