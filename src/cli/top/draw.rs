//! How `homing top` looks.

use super::board::{Board, BoardRow};
use crate::admin::status::{Move, Node};
use crate::base::words::{age, count, span};
use crate::table::State;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{self, Cell, Table, TableState};

/// The columns; the last takes what is left.
const COLUMNS: [&str; 11] = [
    "NODE",
    "STATE",
    "SINCE",
    "SESSIONS",
    "IN FLIGHT",
    "REQ/S",
    "ERR/S",
    "P50/P99 MS",
    "WEIGHT/LOAD",
    "SHARE",
    "WHY",
];
/// Those before are words, those from here to `WHY` are numbers.
const NUMBERS: usize = 2;
/// Lines above and below the table.
pub const AROUND: u16 = 5;

const KEYS: &str = "q quit   ↑↓ select   s sort   d drain   e enable";

/// Draws all of it.
pub fn draw(frame: &mut Frame<'_>, board: &Board) {
    let [head, table, foot] =
        Layout::vertical([Constraint::Length(3), Constraint::Fill(1), Constraint::Length(2)])
            .areas(frame.area());
    frame.render_widget(Text::from(vec![process(board), reload(board)]), head);
    let rows = board.rows();
    let mut state = TableState::new().with_selected(board.selected(&rows));
    frame.render_stateful_widget(nodes(board, &rows), table, &mut state);
    frame.render_widget(Text::from(vec![last_move(board), bottom(board)]), foot);
}

fn process(board: &Board) -> Line<'static> {
    if let Some(trouble) = &board.trouble {
        let line = trouble.lines().next().unwrap_or_default();
        return Line::styled(format!("{line}; what follows is of {}", board.now().time), Color::Red);
    }
    let status = board.now();
    let (requests, errors) = board.all_rates();
    let ends = if status.stopping { ", stopping" } else { "" };
    let (open, limit) = (count(status.connections.open, "client connection"), status.connections.limit);
    let text = format!(
        "homing {}, up {}{ends}, {open} of {limit}, {} requests/s, {} errors/s",
        status.version,
        span(status.uptime),
        rate(requests),
        rate(errors)
    );
    Line::from(text)
}

fn reload(board: &Board) -> Line<'static> {
    let (status, reload) = (board.now(), &board.now().reload);
    if reload.applied + reload.refused == 0 {
        return Line::from("not reloaded yet");
    }
    let said = if reload.ok { &reload.changes } else { &reload.findings };
    let said = said.iter().flat_map(|said| said.lines()).next().unwrap_or("nothing changed").to_owned();
    let (word, colour) = if reload.ok { ("applied", Color::Green) } else { ("refused", Color::Red) };
    let when = format!(" {} ago ({}): {said}", age(&reload.at, &status.time), reload.cause);
    Line::from(vec![Span::from("last reload "), Span::styled(word, colour), Span::from(when)])
}

fn nodes<'a>(board: &'a Board, rows: &[BoardRow<'a>]) -> Table<'a> {
    let cells: Vec<[String; COLUMNS.len()]> = rows.iter().map(|row| cells(board, row)).collect();
    let widest = |at: usize| {
        cells.iter().map(|row| row[at].chars().count()).chain([COLUMNS[at].len()]).max().unwrap_or_default()
    };
    let last = COLUMNS.len() - 1;
    let widths: Vec<usize> = (0..last).map(widest).collect();
    let aligned = |at: usize, text: String| match at >= NUMBERS && at < last {
        true => format!("{text:>width$}", width = widths[at]),
        false => text,
    };
    let head =
        widgets::Row::new(COLUMNS.iter().enumerate().map(|(at, title)| aligned(at, (*title).to_owned())));
    let lines = cells.into_iter().zip(rows).map(|(texts, row)| {
        let style = match row {
            BoardRow::Cluster(_) => Style::from(Modifier::BOLD),
            BoardRow::Node(..) => Style::default(),
        };
        let cell = |(at, text): (usize, String)| {
            let colour = if at == 1 { colour(&text) } else { Color::Reset };
            Cell::from(Span::styled(aligned(at, text), Style::default().fg(colour)))
        };
        widgets::Row::new(texts.into_iter().enumerate().map(cell)).style(style)
    });
    let constraints =
        widths.iter().map(|width| Constraint::Length(*width as u16)).chain([Constraint::Fill(1)]);
    Table::new(lines, constraints)
        .header(head.style(Modifier::DIM))
        .column_spacing(2)
        .row_highlight_style(Modifier::REVERSED)
}

fn cells(board: &Board, row: &BoardRow<'_>) -> [String; COLUMNS.len()] {
    let of =
        |now: u64, most: Option<u64>| most.map_or_else(|| now.to_string(), |most| format!("{now}/{most}"));
    match row {
        BoardRow::Cluster(cluster) => {
            let rates = board.rates(cluster);
            let ms = |ms: Option<f64>| ms.map_or_else(|| "-".into(), |ms| format!("{ms:.1}"));
            [
                cluster.cluster.clone(),
                cluster.state.to_string(),
                String::new(),
                of(cluster.sessions, cluster.capacity),
                cluster.in_flight.to_string(),
                rate(rates.requests),
                rate(rates.errors),
                format!("{}/{}", ms(rates.p50_ms), ms(rates.p99_ms)),
                String::new(),
                String::new(),
                format!("{} of {} serve", cluster.serving, count(cluster.nodes.len() as u64, "node")),
            ]
        }
        BoardRow::Node(cluster, node) => [
            format!("  {}", node.node),
            node.state.to_string(),
            age(&node.since, &board.now().time),
            of(node.sessions, node.capacity),
            node.in_flight.to_string(),
            rate(board.rate(cluster, node)),
            String::new(),
            String::new(),
            weight(node),
            format!("{:.0} %", node.share * 100.0),
            node.why.clone(),
        ],
    }
}

fn weight(node: &Node) -> String {
    format!("{}/{}", node.weight, node.load.map_or_else(|| "-".into(), |load| load.to_string()))
}

fn rate(a_second: f64) -> String {
    if a_second > 0.0 && a_second < 10.0 { format!("{a_second:.1}") } else { format!("{a_second:.0}") }
}

fn colour(state: &str) -> Color {
    match State::of_word(state) {
        Some(State::Ready) => Color::Green,
        Some(State::Down) => Color::Red,
        Some(State::Drained | State::Maintenance | State::Removed) => Color::Cyan,
        _ => Color::Yellow,
    }
}

fn last_move(board: &Board) -> Line<'static> {
    let Some(moves) = &board.moves else { return Line::default() };
    let all = moves.clusters.iter().flat_map(|of| of.latest.iter().map(|one| (&of.cluster, one)));
    let latest: Option<(&String, &Move)> = all.max_by(|(_, a), (_, b)| a.at.cmp(&b.at));
    Line::from(latest.map_or_else(
        || "no session was moved".into(),
        |(cluster, one)| {
            let name = |node: &Option<String>| node.clone().unwrap_or_else(|| "-".into());
            let when = age(&one.at, &board.now().time);
            format!(
                "moved {when} ago, {}: {cluster}/{} to {}, {}",
                one.cause,
                name(&one.was),
                name(&one.node),
                one.because
            )
        },
    ))
}

fn bottom(board: &Board) -> Line<'static> {
    match &board.asked {
        Some(order) => Line::styled(
            format!("{} {}/{}? y or n", order.verb.word(), order.cluster, order.node),
            Modifier::BOLD,
        ),
        None if board.message.is_empty() => {
            Line::styled(format!("{KEYS} ({})", board.sort.word()), Modifier::DIM)
        }
        None => Line::from(board.message.clone()),
    }
}
