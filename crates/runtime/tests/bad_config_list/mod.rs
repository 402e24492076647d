//! The configurations that are wrong in one place each, for the tests of the conversion and of the whole program.

use serde_json::Value;

/// Puts a value at a JSON pointer; a last part of `-` appends, a missing object is made, `null` removes a property.
pub fn put(document: &mut Value, pointer: &str, value: Value) {
    let mut place = document;
    let parts: Vec<&str> = pointer.split('/').skip(1).collect();
    for (index, part) in parts.iter().enumerate() {
        let last = index + 1 == parts.len();
        if let Value::Array(list) = place {
            if *part == "-" {
                list.push(Value::Null);
            }
            let index = part.parse().unwrap_or(list.len() - 1);
            place = &mut list[index];
        } else {
            if place.is_null() {
                *place = Value::Object(serde_json::Map::new());
            }
            let map = place.as_object_mut().unwrap_or_else(|| panic!("{pointer}: {part} is in no object"));
            let part = part.replace("~1", "/");
            if last && value.is_null() {
                map.remove(&part);
                return;
            }
            place = map.entry(part).or_insert(Value::Null);
        }
    }
    *place = value;
}

/// Where, what is put there, and the beginning of the message.
pub fn bad() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    include_str!("../bad_configs.tsv").lines().filter(|line| !line.starts_with('#')).map(|line| {
        let mut columns = line.split('\t');
        (columns.next().unwrap(), columns.next().unwrap(), columns.next().unwrap())
    })
}
