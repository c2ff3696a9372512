//! Writers for a [`Trace`](super::Trace): [`write_csv`], [`write_svg`], [`write_chrome`]. Whole numbers only, so that the files are equal wherever they are made.

mod chrome;
mod csv;
mod svg;
mod text;

pub use chrome::write_chrome;
pub use csv::write_csv;
pub use svg::write_svg;

#[cfg(test)]
use super::record::Trace;

#[cfg(test)]
mod tests {
    use super::super::watch::{Happening, Left, Observer};
    use super::super::workload::Workload;
    use super::*;
    use crate::task::Policy;
    use alloc::string::String;

    /// Two CPUs, two tasks of a program whose name needs escapes in every format.
    fn example() -> (Workload, Trace) {
        let mut load = Workload::new(2);
        let program = load.program("a<\"b\",\n\\&'", &[]);
        load.task(program, Policy::NORMAL);
        load.task(program, Policy::NORMAL);
        let mut trace = Trace::new(2, 100);
        trace.see(1_000, &Happening::Woken { task: 1 });
        for (cpu, task, since, until) in
            [(0, 0, 0, 1_500), (1, 1, 1_250, 2_000_003), (0, 1, 2_000_003, 4_000_000)]
        {
            trace.see(until, &Happening::Leaves { cpu, task, since, why: Left::Blocked });
        }
        trace.see(4_000_000, &Happening::Job { task: 1, release: 0, deadline: 5 });
        trace.end(5_000_000);
        (load, trace)
    }

    fn written(write: impl Fn(&mut String, &Workload, &Trace) -> core::fmt::Result) -> String {
        let (load, trace) = example();
        let mut out = String::new();
        write(&mut out, &load, &trace).unwrap();
        out
    }

    #[test]
    fn csv_quotes_names() {
        let lines = "cpu,task,name,start_ns,end_ns,why\r\n0,0,\"a<\"\"b\"\",\n\\&'.0\",0,1500,blocked\r\n";
        assert!(written(write_csv).starts_with(lines), "{}", written(write_csv));
    }

    #[test]
    fn chrome_trace_is_one_json_object_with_a_slice_an_event() {
        let json = written(write_chrome);
        assert!(json.contains(
            r#"{"name":"a<\"b\",\n\\&'.1","cat":"run","ph":"X","pid":0,"tid":1,"ts":1.250,"dur":1998.753"#
        ));
        assert!(json.contains(r#""ph":"i""#) && json.contains(r#""args":{"name":"CPU 1"}"#));
        assert_eq!(depth(&json), 0, "brackets outside of strings match");
    }

    #[test]
    fn svg_escapes_names_and_has_a_lane_a_cpu() {
        let svg = written(write_svg);
        assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("a&lt;&quot;b&quot;,&#10;\\&amp;&apos;.1"));
        assert!(svg.contains(">CPU 0<") && svg.contains(">CPU 1<") && svg.contains("5 ms<"));
        let mut open = 0;
        for tag in svg.split('<').skip(1) {
            open += if tag.starts_with('/') {
                -1
            } else {
                i32::from(!tag.split('>').next().unwrap().ends_with('/'))
            };
        }
        assert_eq!(open, 0, "tags match");
        assert!(!svg.replace("&lt;", "").contains("<\""), "no raw name");
    }

    /// Brackets that stay open in JSON text.
    fn depth(json: &str) -> i32 {
        let (mut depth, mut quoted, mut escaped) = (0, false, false);
        for char in json.chars() {
            match char {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => quoted = !quoted,
                '{' | '[' if !quoted => depth += 1,
                '}' | ']' if !quoted => depth -= 1,
                _ => assert!(!quoted || char >= ' ', "control character in a string"),
            }
        }
        depth
    }
}
