//! Progress bars on standard error, where that is a terminal: at most ten frames a second.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::style::TemplateError;
use indicatif::{
    MultiProgress, ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle, TermLike,
};

/// From one frame to the next.
pub(crate) const FRAME: Duration = Duration::from_millis(100);

/// Columns that the long form of a line needs.
const WIDE: u16 = 80;

/// Columns of the name in front of a bar.
const NAME: usize = 16;
const SHORT_NAME: usize = 12;

/// A terminal that what indicatif draws is gathered for, so that it is shown when we say.
#[derive(Debug, Clone)]
struct Screen {
    gathered: Arc<Mutex<String>>,
    terminal: console::Term,
}

/// Several bars below each other.
#[derive(Debug)]
pub(crate) struct Bars {
    screen: Screen,
    all: MultiProgress,
    is_wide: bool,
    shown: Instant,
}

impl Bars {
    /// None where standard error is no terminal.
    pub(crate) fn new() -> Option<Self> {
        if !io::stderr().is_terminal() {
            return None;
        }
        let screen = Screen { gathered: Arc::default(), terminal: console::Term::stderr() };
        let is_wide = screen.width() >= WIDE;
        let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
        let all = MultiProgress::with_draw_target(target);
        Some(Self { screen, all, is_wide, shown: Instant::now() })
    }

    /// One more bar. Its name is cut where it is too long.
    pub(crate) fn add(&self, name: &str) -> ProgressBar {
        let room = if self.is_wide { NAME } else { SHORT_NAME };
        // Added first: before that it would draw on a terminal of its own.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let bar = self.all.add(bar.with_finish(ProgressFinish::AndClear));
        dress(&bar, self.is_wide, false);
        bar.set_prefix(cut(name, room));
        bar
    }

    /// Sets what a bar shows.
    pub(crate) fn set(&self, bar: &ProgressBar, done: u64, total: Option<u64>) {
        if bar.length() != total {
            dress(bar, self.is_wide, total.is_some());
            match total {
                Some(total) => bar.set_length(total),
                None => bar.unset_length(),
            }
            // What was there from the start tells nothing of how fast it goes.
            bar.set_position(done);
            bar.reset_eta();
        }
        if bar.position() != done {
            bar.set_position(done);
        }
    }

    /// A line above the bars.
    pub(crate) fn line(&self, text: &str) {
        // Nothing is written here: it is gathered.
        let _ = self.all.println(text);
    }

    /// Time until the next frame is due.
    pub(crate) fn wait(&self) -> Duration {
        FRAME.saturating_sub(self.shown.elapsed())
    }

    /// Shows what was drawn since, if it is time.
    pub(crate) fn show(&mut self) {
        if self.wait().is_zero() {
            self.screen.show();
            self.shown = Instant::now();
        }
    }
}

impl Drop for Bars {
    /// The last frame: the bars are gone.
    fn drop(&mut self) {
        let _ = self.all.clear();
        std::thread::sleep(self.wait());
        self.screen.show();
    }
}

/// Sets what a bar looks like. The templates are right: a test reads them all.
fn dress(bar: &ProgressBar, is_wide: bool, is_sized: bool) {
    if let Ok(style) = style(is_wide, is_sized) {
        bar.set_style(style);
    }
}

fn style(is_wide: bool, is_sized: bool) -> Result<ProgressStyle, TemplateError> {
    let template = match (is_wide, is_sized) {
        (true, true) => {
            "{prefix:16} [{wide_bar}] {bytes:>10}/{total_bytes:<10} {bytes_per_sec:>12} {eta:>4}"
        }
        (true, false) => "{prefix:16} {spinner} {bytes:>10} {bytes_per_sec:>12} {elapsed:>4}",
        (false, true) => "{prefix:12} [{wide_bar}] {percent:>3}% {eta:>4}",
        (false, false) => "{prefix:12} {spinner} {bytes:>10} {elapsed:>4}",
    };
    ProgressStyle::with_template(template).map(|style| style.progress_chars("=> "))
}

/// The end of a text that is too long, behind two dots.
fn cut(text: &str, room: usize) -> String {
    let letters: Vec<char> =
        text.chars().map(|it| if it.is_control() { '\u{fffd}' } else { it }).collect();
    match letters.len().checked_sub(room) {
        None | Some(0) => letters.into_iter().collect(),
        Some(over) => format!("..{}", letters[over + 2..].iter().collect::<String>()),
    }
}

impl Screen {
    fn gathered(&self) -> MutexGuard<'_, String> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, text: &str) -> io::Result<()> {
        self.gathered().push_str(text);
        Ok(())
    }

    /// One write, so that no half of a frame is seen.
    fn show(&self) {
        let text = std::mem::take(&mut *self.gathered());
        if !text.is_empty() {
            // Without a terminal there is nobody to be told.
            let _ = io::stderr().write_all(text.as_bytes());
        }
    }

    fn moved(&self, by: usize, letter: char) -> io::Result<()> {
        if by == 0 { Ok(()) } else { self.add(&format!("\x1b[{by}{letter}")) }
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        self.terminal.size().1
    }

    fn height(&self) -> u16 {
        self.terminal.size().0
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.moved(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.moved(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.moved(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.moved(n, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.add(&format!("{text}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.add(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.add("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{cut, style};

    #[test]
    fn a_long_name_keeps_its_end() {
        assert_eq!(cut("abcdefgh", 8), "abcdefgh");
        assert_eq!(cut("abcdefghi", 8), "..defghi");
        assert_eq!(cut("a\u{1b}b", 8), "a\u{fffd}b");
    }

    #[test]
    fn every_template_can_be_read() {
        for (is_wide, is_sized) in [(true, true), (true, false), (false, true), (false, false)] {
            style(is_wide, is_sized).unwrap();
        }
    }
}
