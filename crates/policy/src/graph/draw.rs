//! The graph as a picture: who comes from outside on the left, zones in the middle, what is reached outside on the right.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::print::what;
use super::{Graph, Party};

/// Columns and rows, in pixels.
const WIDTH: i32 = 1120;
const COLUMNS: [i32; 3] = [20, 470, 900];
const BOX: (i32, i32) = (200, 34);
const ROW: i32 = 74;
const TOP: i32 = 30;

/// Where a party's box stands.
#[derive(Debug, Clone, Copy)]
struct Spot {
    x: i32,
    y: i32,
}

impl Spot {
    fn right(self) -> (i32, i32) {
        (self.x + BOX.0, self.y + BOX.1 / 2)
    }

    fn left(self) -> (i32, i32) {
        (self.x, self.y + BOX.1 / 2)
    }
}

impl Graph {
    /// A picture (SVG 1.1) that needs no other file.
    #[must_use]
    pub fn to_svg(&self) -> String {
        let spots = self.spots();
        let rows = spots.values().map(|spot| spot.y).max().unwrap_or(TOP) + ROW;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{rows}\" viewBox=\"0 0 {WIDTH} {rows}\" \
             font-family=\"sans-serif\" font-size=\"13\">\n<title>Who may talk to whom</title>\n\
             <defs><marker id=\"a\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
             orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#444\"/></marker></defs>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        );
        let mut labels = String::new();
        for (number, arrow) in (0..).zip(&self.arrows) {
            let (Some(from), Some(to)) =
                (spots.get(&(0, arrow.from.clone())), spots.get(&(1, arrow.to.clone())))
            else {
                continue;
            };
            let (path, label) = curve(&arrow.from, *from, &arrow.to, *to, number);
            let dash = if arrow.missing.is_some() {
                " stroke-dasharray=\"4 4\" stroke=\"#b00\""
            } else {
                " stroke=\"#444\""
            };
            let _ = writeln!(svg, "<path d=\"{path}\" fill=\"none\"{dash} marker-end=\"url(#a)\"/>");
            let text = match &arrow.missing {
                None => what(arrow),
                Some(missing) => format!("{}: {missing}", what(arrow)),
            };
            let _ = writeln!(
                labels,
                "<text x=\"{}\" y=\"{}\" font-size=\"11\" text-anchor=\"middle\" stroke=\"#fff\" stroke-width=\"4\" \
                 paint-order=\"stroke\" fill=\"#222\">{}</text>",
                label.0,
                label.1,
                escaped(&shortened(&text))
            );
        }
        for ((side, party), spot) in &spots {
            // A zone stands at both sides with the same box.
            if *side == 0 || spot.x != COLUMNS[1] {
                self.draw_box(&mut svg, party, *spot);
            }
        }
        svg + &labels + "</svg>\n"
    }

    /// The boxes: parties that begin (0) and that are reached (1).
    fn spots(&self) -> BTreeMap<(u8, Party), Spot> {
        let mut spots = BTreeMap::new();
        for (row, zone) in (0..).zip(&self.zones) {
            let spot = Spot { x: COLUMNS[1], y: TOP + row * ROW };
            spots.insert((0, Party::Zone(zone.name.clone())), spot);
            spots.insert((1, Party::Zone(zone.name.clone())), spot);
        }
        let mut rows = [0, 0];
        let ends = self.arrows.iter().flat_map(|arrow| [(0_u8, &arrow.from), (1_u8, &arrow.to)]);
        for (side, party) in ends {
            // A zone that is not one of the graph's stands outside of it.
            spots.entry((side, party.clone())).or_insert_with(|| {
                let row = &mut rows[usize::from(side)];
                *row += 1;
                Spot { x: COLUMNS[usize::from(side) * 2], y: TOP + (*row - 1) * ROW }
            });
        }
        spots
    }

    fn draw_box(&self, svg: &mut String, party: &Party, spot: Spot) {
        let node = match party {
            Party::Zone(name) => self.zones.iter().find(|zone| zone.name == *name),
            Party::Outside(_) => None,
        };
        let (fill, dash) = match node {
            Some(zone) if zone.linked => ("#e8f0fe", ""),
            Some(_) => ("#f4f4f4", " stroke-dasharray=\"3 3\""),
            None => ("#fff8e1", ""),
        };
        let mut label = match party {
            Party::Zone(name) => name.to_string(),
            Party::Outside(word) => word.clone(),
        };
        if node.is_some_and(|zone| zone.host) {
            label.push_str(" (host's network)");
        }
        let ((w, h), Spot { x, y }) = (BOX, spot);
        let radius = if node.is_some() { 4 } else { 16 };
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" rx=\"{radius}\" fill=\"{fill}\" stroke=\"#444\"{dash}/>\n\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            x + w / 2,
            y + h / 2 + 5,
            escaped(&shortened(&label))
        );
    }
}

/// The way of an arrow, and where its label stands.
fn curve(from: &Party, start: Spot, to: &Party, end: Spot, number: i32) -> (String, (i32, i32)) {
    let is_middle = |spot: Spot| spot.x == COLUMNS[1];
    if from == to {
        let (x, y) = start.right();
        let path = format!("M{x} {} C{} {} {} {} {x} {}", y - 8, x + 70, y - 26, x + 70, y + 26, y + 8);
        return (path, (x + 66, y - 16));
    }
    if is_middle(start) && is_middle(end) {
        // Downwards on the right of the column, upwards on the left, each a little further out than the one before.
        let bulge = 60 + number % 5 * 22;
        let down = end.y > start.y;
        let ((x, y1), (_, y2)) = if down { (start.right(), end.right()) } else { (start.left(), end.left()) };
        let out = if down { x + bulge } else { x - bulge };
        let path = format!("M{x} {y1} C{out} {y1} {out} {y2} {x} {y2}");
        return (path, (out - (out - x) / 4, (y1 + y2) / 2 + number % 3 * 12 - 12));
    }
    let ((x1, y1), (x2, y2)) = (start.right(), end.left());
    let middle = (x1 + x2) / 2;
    let path = format!("M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}");
    // Nearer to the box outside, where each arrow has a row of its own.
    let label = if is_middle(start) { (x2 * 2 + x1, y2 * 4 + y1) } else { (x1 * 2 + x2, y1 * 4 + y2) };
    (path, (label.0 / 3, label.1 / 5 - 5))
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= 48 { text.to_owned() } else { text.chars().take(46).chain(['…']).collect() }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
