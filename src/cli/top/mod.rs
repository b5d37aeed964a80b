//! `homing top`: the clusters and their nodes, live on a terminal. It shows the snapshot that everybody else
//! shows.

mod board;
mod draw;
#[cfg(test)]
mod tests;

use super::show::print;
use super::window::{AdminClient, VerbFailure};
use crate::admin::operate::NodeAction;
use crate::admin::status::{Moves, Status};
use crate::base::clock;
use board::{Board, Order};
use ratatui::DefaultTerminal;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::time::{Duration, Instant};

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(1);
/// The longest that news wait for a key.
const BLINK: Duration = Duration::from_millis(50);
/// Columns of a frame that goes into a pipe, if COLUMNS does not say.
const WIDE: u16 = 160;

/// What the thread that asks the proxy brings.
enum TopEvent {
    Status(Instant, Box<Status>),
    Moves(Moves),
    Trouble(String),
    /// What came of an order.
    Done(String),
}

/// Shows it until `q`; `once`, or where there is no terminal, one frame as text.
pub fn top(window: AdminClient, once: bool, json: bool) -> Result<(), VerbFailure> {
    let (body, first) = window.get::<Status>("/api/status")?;
    if json {
        print(&body);
        return Ok(());
    }
    let mut board = Board::new(first);
    if once || !io::stdout().is_terminal() {
        std::thread::sleep(EVERY);
        board.take(clock::instant(), window.get("/api/status")?.1);
        board.moves = Some(window.get("/api/moves")?.1);
        print(&frame(&board));
        return Ok(());
    }
    let no_terminal = |error: io::Error| {
        VerbFailure::Failed(format!("the terminal cannot be used: {error}; --once prints one frame"))
    };
    let mut terminal = ratatui::try_init().map_err(no_terminal)?;
    let ended = live(&mut terminal, &mut board, Arc::new(window));
    ratatui::restore();
    ended.map_err(no_terminal)
}

/// One frame as text, as high as it needs to be.
fn frame(board: &Board) -> String {
    let wide = std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok())
        .filter(|wide| (40..=1000).contains(wide));
    let high = u16::try_from(board.rows().len() + 1).unwrap_or(u16::MAX / 2).saturating_add(draw::AROUND);
    let Ok(mut terminal) = Terminal::new(TestBackend::new(wide.unwrap_or(WIDE), high));
    let Ok(drawn) = terminal.draw(|frame| draw::draw(frame, board));
    let lines = drawn.buffer.content.chunks(usize::from(drawn.area.width).max(1));
    let text =
        |line: &[ratatui::buffer::Cell]| line.iter().map(ratatui::buffer::Cell::symbol).collect::<String>();
    let lines: Vec<String> = lines.map(|line| text(line).trim_end().to_owned()).collect();
    // the last line has keys, which nobody can press
    lines[..lines.len() - 1].join("\n") + "\n"
}

fn live(terminal: &mut DefaultTerminal, board: &mut Board, window: Arc<AdminClient>) -> io::Result<()> {
    // one piece of news at a time: a terminal that stands still is not flooded when it goes on
    let (tell, news) = mpsc::sync_channel(1);
    let asking = (window.clone(), tell.clone());
    std::thread::spawn(move || look(&asking.0, &asking.1));
    loop {
        terminal.draw(|frame| draw::draw(frame, board))?;
        if !wait(board, &window, &tell, &news)? {
            return Ok(());
        }
    }
}

/// Waits for something to show: a key, another size, news. False when that is the end.
fn wait(
    board: &mut Board,
    window: &Arc<AdminClient>,
    tell: &SyncSender<TopEvent>,
    news: &Receiver<TopEvent>,
) -> io::Result<bool> {
    loop {
        if event::poll(BLINK)? {
            match event::read()? {
                Event::Key(key) if key.kind == KeyEventKind::Press => {
                    return Ok(match press(board, key) {
                        Pressed::Quit => false,
                        Pressed::Go(order) => {
                            let (window, tell) = (window.clone(), tell.clone());
                            std::thread::spawn(move || tell.send(TopEvent::Done(carry_out(&window, &order))));
                            true
                        }
                        Pressed::Shown => true,
                    });
                }
                Event::Resize(..) => return Ok(true),
                _ => {}
            }
        }
        if let Ok(news) = news.try_recv() {
            match news {
                TopEvent::Status(at, status) => board.take(at, *status),
                TopEvent::Moves(moves) => board.moves = Some(moves),
                TopEvent::Trouble(why) => board.trouble = Some(why),
                TopEvent::Done(said) => board.message = said,
            }
            return Ok(true);
        }
    }
}

/// What a key is for.
enum Pressed {
    Quit,
    Go(Order),
    Shown,
}

fn press(board: &mut Board, key: KeyEvent) -> Pressed {
    board.message.clear();
    if let Some(order) = board.asked.take() {
        match key.code {
            KeyCode::Char('y' | 'Y') => {
                board.message = format!("{} {}/{} …", order.verb.word(), order.cluster, order.node);
                return Pressed::Go(order);
            }
            _ => board.message = "nothing was changed".into(),
        }
        return Pressed::Shown;
    }
    match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Pressed::Quit,
        KeyCode::Char('q') | KeyCode::Esc => return Pressed::Quit,
        KeyCode::Up | KeyCode::Char('k') => board.select(-1),
        KeyCode::Down | KeyCode::Char('j') => board.select(1),
        KeyCode::PageUp => board.select(-10),
        KeyCode::PageDown => board.select(10),
        KeyCode::Home => board.select(isize::MIN),
        KeyCode::End => board.select(isize::MAX),
        KeyCode::Char('s') => board.sort = board.sort.next(),
        KeyCode::Char('d') => board.ask(NodeAction::Drain),
        KeyCode::Char('e') => board.ask(NodeAction::Enable),
        _ => {}
    }
    Pressed::Shown
}

/// Asks the proxy again and again, until nobody listens any more.
fn look(window: &AdminClient, tell: &SyncSender<TopEvent>) {
    let mut moved = None;
    loop {
        let news = match window.get::<Status>("/api/status") {
            Ok((_, status)) => {
                let so_far: u64 =
                    status.clusters.iter().flat_map(|cluster| cluster.traffic.moved.values()).sum();
                if moved.replace(so_far) != Some(so_far)
                    && let Ok((_, moves)) = window.get("/api/moves")
                    && tell.send(TopEvent::Moves(moves)).is_err()
                {
                    return;
                }
                TopEvent::Status(clock::instant(), Box::new(status))
            }
            Err(failure) => TopEvent::Trouble(failure.to_string()),
        };
        if tell.send(news).is_err() {
            return;
        }
        std::thread::sleep(EVERY);
    }
}

/// What came of it, in a line.
fn carry_out(window: &AdminClient, order: &Order) -> String {
    let Order { verb, cluster, node } = order;
    match window.post(&format!("/api/clusters/{cluster}/nodes/{node}/{}", verb.word()), None) {
        Ok((_, done)) => {
            let changes: Vec<&str> = done["changes"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(serde_json::Value::as_str)
                .collect();
            if changes.is_empty() { "nothing changed: it was so already".into() } else { changes.join("; ") }
        }
        Err(failure) => failure.to_string().lines().collect::<Vec<_>>().join(" "),
    }
}
