//! Tars as attackers write them: byte by byte, with nothing checked.

/// A tar in memory.
#[derive(Default)]
pub struct RawTar(Vec<u8>);

/// One entry's header; what is not said is a plain file of root's.
#[derive(Clone)]
pub struct RawEntry<'a> {
    pub name: &'a str,
    /// The type flag: `0` file, `1` hard link, `2` link, `3` character device, `5` folder, `6` pipe, `x` pax.
    pub kind: u8,
    pub target: &'a str,
    pub mode: u32,
    pub uid: u32,
    /// What the header says; the content's length otherwise.
    pub size: Option<usize>,
}

impl Default for RawEntry<'_> {
    fn default() -> Self {
        Self { name: "", kind: b'0', target: "", mode: 0o644, uid: 0, size: None }
    }
}

impl RawTar {
    /// Adds an entry with its content.
    pub fn add(mut self, entry: &RawEntry<'_>, content: &[u8]) -> Self {
        let mut header = [0u8; 512];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, entry.name.as_bytes());
        put(100, format!("{:07o}\0", entry.mode).as_bytes());
        put(108, format!("{:07o}\0", entry.uid).as_bytes());
        put(116, format!("{:07o}\0", entry.uid).as_bytes());
        put(124, format!("{:011o}\0", entry.size.unwrap_or(content.len())).as_bytes());
        put(136, b"00000000001\0");
        put(148, b"        ");
        put(156, &[entry.kind]);
        put(157, entry.target.as_bytes());
        put(257, b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend(header);
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// A file with this content.
    pub fn file(self, name: &str, content: &[u8]) -> Self {
        self.add(&RawEntry { name, ..RawEntry::default() }, content)
    }

    /// A symbolic link.
    pub fn link(self, name: &str, target: &str) -> Self {
        self.add(&RawEntry { name, target, kind: b'2', ..RawEntry::default() }, b"")
    }

    /// An extended header for the next entry.
    pub fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut text = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while length != rest + length.to_string().len() {
                length += 1;
            }
            text.extend(format!("{length} {key}=").bytes());
            text.extend(*value);
            text.push(b'\n');
        }
        self.add(&RawEntry { name: "pax", kind: b'x', ..RawEntry::default() }, &text)
    }

    /// The bytes, with the end that a tar has.
    pub fn bytes(mut self) -> Vec<u8> {
        self.0.extend([0u8; 1024]);
        self.0
    }
}
