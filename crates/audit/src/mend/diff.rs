//! A diff of small files, as people read it.

/// What goes and comes between two texts. Lines before and after what differs are left out but for three.
pub(super) fn unified(path: &str, before: Option<&str>, after: &str) -> String {
    const AROUND: usize = 3;
    let old: Vec<&str> = before.unwrap_or_default().lines().collect();
    let new: Vec<&str> = after.lines().collect();
    let head = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let most = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(old, new)| old == new).count();
    let shown = head.saturating_sub(AROUND);
    let from = if before.is_some() { path } else { "/dev/null" };
    let mut out = format!("--- {from}\n+++ {path}\n@@ line {} @@\n", shown + 1);
    let mut add = |mark: &str, lines: &[&str]| {
        for line in lines {
            out += &format!("{mark}{}\n", crate::printable(line));
        }
    };
    add(" ", old.get(shown..head).unwrap_or_default());
    add("-", old.get(head..old.len() - tail).unwrap_or_default());
    add("+", new.get(head..new.len() - tail).unwrap_or_default());
    add(" ", old.get(old.len() - tail..(old.len() - tail + AROUND).min(old.len())).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::unified;

    #[test]
    fn only_what_differs_is_shown() {
        let text = unified("/x", Some("a\nb\nc\nd\ne\nf\n"), "a\nb\nc\nd\nE\nf\n");
        assert_eq!(text, "--- /x\n+++ /x\n@@ line 2 @@\n b\n c\n d\n-e\n+E\n f\n");
        assert_eq!(unified("/x", None, "a\n"), "--- /dev/null\n+++ /x\n@@ line 1 @@\n+a\n");
        assert!(!unified("/x", Some("\x1b[2J"), "").contains('\x1b'));
    }
}
