//! The run as a picture: a panel for each figure over the minutes, as SVG text of our own making.

use std::fmt::Write as _;

/// A line of a panel.
pub struct Line {
    pub name: &'static str,
    /// Minutes and values.
    pub points: Vec<(f64, f64)>,
}

/// A figure over time.
pub struct Panel {
    pub title: &'static str,
    /// Of the values.
    pub unit: &'static str,
    pub lines: Vec<Line>,
    /// A limit to draw, and what it is.
    pub limit: Option<(f64, &'static str)>,
}

const COLUMNS: usize = 2;
/// A panel with its title and scales, and what is drawn in of it.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 212.0;
const LEFT: f64 = 66.0;
const RIGHT: f64 = 22.0;
const TOP: f64 = 38.0;
const BOTTOM: f64 = 40.0;
/// Above all panels.
const HEAD: f64 = 74.0;
/// Of lines; they differ in lightness too.
const COLOURS: [&str; 2] = ["#1f5fa8", "#d9822b"];

/// `notes`: what the picture is of, under the title. `traffic`: from which minute to which there was any.
pub fn picture(title: &str, notes: &str, panels: &[Panel], traffic: (f64, f64)) -> String {
    let rows = panels.len().div_ceil(COLUMNS);
    let (width, height) = (WIDTH * COLUMNS as f64 + 16.0, HEAD + HEIGHT * rows as f64 + 8.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" font-family=\"DejaVu Sans, Helvetica, Arial, sans-serif\" font-size=\"12\" \
         fill=\"#333\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"16\" y=\"32\" font-size=\"20\" fill=\"#111\">{}</text>\n<text x=\"16\" y=\"54\">{}</text>\n",
        escaped(title),
        escaped(notes)
    );
    let last = panels.iter().flat_map(|panel| &panel.lines).flat_map(|line| &line.points).map(|point| point.0);
    let last = last.fold(1.0, f64::max);
    for (number, panel) in panels.iter().enumerate() {
        let place = ((number % COLUMNS) as f64 * WIDTH, HEAD + (number / COLUMNS) as f64 * HEIGHT);
        let _ = writeln!(svg, "<g transform=\"translate({:.0} {:.0})\">", place.0, place.1);
        draw(&mut svg, panel, last, traffic);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw(svg: &mut String, panel: &Panel, last: f64, traffic: (f64, f64)) {
    let values = panel.lines.iter().flat_map(|line| &line.points).map(|point| point.1);
    let highest = values.chain(panel.limit.map(|limit| limit.0)).fold(0.0, f64::max);
    let step = round_step(highest * 1.05 / 4.0);
    let top = (highest * 1.02 / step).ceil().max(1.0) * step;
    let (inner_width, inner_height) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    let x = |minute: f64| LEFT + minute / last * inner_width;
    let y = |value: f64| TOP + inner_height - value / top * inner_height;
    let foot = TOP + inner_height;
    // What is no traffic is darker.
    for (from, to) in [(0.0, traffic.0), (traffic.1, last)] {
        let width = x(to.max(from)) - x(from);
        let at = x(from);
        let _ = writeln!(
            svg,
            "<rect x=\"{at:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{inner_height}\" fill=\"#ececec\"/>"
        );
    }
    let digits = if step < 0.1 { 2 } else { usize::from(step < 1.0) };
    let mut value = 0.0;
    while value <= top + step / 2.0 {
        let at = y(value);
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {at:.1}H{:.1}\" stroke=\"#d5d5d5\"/><text x=\"{:.0}\" y=\"{:.1}\" \
             text-anchor=\"end\">{value:.digits$}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            at + 4.0
        );
        value += step;
    }
    let step = minute_step(last);
    let mut minute = 0.0;
    while minute <= last {
        let at = x(minute);
        let _ = writeln!(
            svg,
            "<path d=\"M{at:.1} {foot}v5\" stroke=\"#333\"/><text x=\"{at:.1}\" y=\"{:.0}\" \
             text-anchor=\"middle\">{minute:.0}{}</text>",
            foot + 19.0,
            if minute + step > last { " min" } else { "" }
        );
        minute += step;
    }
    let _ = writeln!(svg, "<path d=\"M{LEFT} {TOP}V{foot}H{:.1}\" fill=\"none\" stroke=\"#333\"/>", WIDTH - RIGHT);
    let _ = writeln!(
        svg,
        "<text x=\"16\" y=\"24\" font-size=\"14\" font-weight=\"bold\" fill=\"#111\">{}<tspan font-weight=\"normal\" \
         font-size=\"12\">, {}</tspan></text>",
        escaped(panel.title),
        escaped(panel.unit)
    );
    if let Some((limit, what)) = panel.limit {
        let at = y(limit);
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {at:.1}H{:.1}\" stroke=\"#b00020\" stroke-dasharray=\"6 4\"/><text x=\"{:.0}\" \
             y=\"{:.1}\" text-anchor=\"end\" fill=\"#b00020\">{}</text>",
            WIDTH - RIGHT,
            WIDTH - RIGHT - 4.0,
            at + 15.0,
            escaped(what)
        );
    }
    let mut key = WIDTH - RIGHT;
    for (line, colour) in panel.lines.iter().zip(COLOURS).rev() {
        let points: Vec<String> =
            line.points.iter().map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value))).collect();
        let points = points.join(" ");
        let _ = writeln!(
            svg,
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\" \
             stroke-linejoin=\"round\"/>"
        );
        // One line needs no name: the title has it.
        if panel.lines.len() > 1 {
            let _ = writeln!(
                svg,
                "<text x=\"{key:.0}\" y=\"24\" text-anchor=\"end\" fill=\"{colour}\">{}</text>",
                escaped(line.name)
            );
            key -= 20.0 + 7.0 * line.name.len() as f64;
        }
    }
}

/// 1, 2 or 5 times a power of ten, not below.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.max(1e-9).log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| *step >= least).unwrap_or(power)
}

/// Between marks of the time scale, as people divide hours.
fn minute_step(last: f64) -> f64 {
    let steps = [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 180.0];
    steps.into_iter().find(|step| last / step <= 9.0).unwrap_or(360.0)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_have_round_steps() {
        for (least, step) in [(0.9, 1.0), (1.1, 2.0), (23.0, 50.0), (70.0, 100.0), (0.03, 0.05)] {
            assert!((round_step(least) / step - 1.0).abs() < 1e-9, "{least}");
        }
        for (last, step) in [(8.0, 1.0), (13.0, 2.0), (125.0, 15.0), (1445.0, 180.0), (9000.0, 360.0)] {
            assert!((minute_step(last) - step).abs() < 1e-9, "{last}");
        }
    }

    #[test]
    fn a_picture_is_whole_and_in_ascii() {
        let line = |name| Line { name, points: vec![(0.0, 1.0), (5.0, 3.0), (10.0, 2.0)] };
        let panels = [
            Panel { title: "a & b", unit: "MiB", lines: vec![line("one"), line("two")], limit: None },
            Panel { title: "c", unit: "ms", lines: vec![line("only")], limit: Some((4.0, "most")) },
        ];
        let svg = picture("Title <1>", "notes", &panels, (1.0, 9.0));
        assert!(svg.is_ascii() && svg.contains("Title &lt;1>") && svg.contains("a &amp; b"), "{svg}");
        assert_eq!((svg.matches("<polyline").count(), svg.matches("stroke-dasharray").count()), (3, 1));
        assert!(svg.contains(">one</text>") && !svg.contains(">only</text>") && svg.contains(">4</text>"), "{svg}");
        for element in ["g", "text", "svg"] {
            let opened = svg.matches(&format!("<{element} ")).count();
            assert_eq!(opened, svg.matches(&format!("</{element}>")).count(), "{element}");
        }
    }
}
