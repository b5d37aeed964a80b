//! A node that speaks HTTP/2 frame by frame, as a test wants it: what it does with each request is the test's
//! word.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it arrived.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// The number of its connection, from 0.
    pub connection: usize,
    /// Its number on that connection, from 0.
    pub at: usize,
    pub post: bool,
    /// Neither GET nor POST.
    pub other: bool,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy)]
pub enum Then {
    Answer,
    /// Answers so many milliseconds later; what comes meanwhile is read.
    Late(u64),
    /// RST_STREAM, REFUSED_STREAM.
    Refuse,
    /// RST_STREAM, HTTP_1_1_REQUIRED.
    WantsHttp1,
    /// GOAWAY that says that this one was not worked on, and the end.
    GoAway,
    /// Answers, and says GOAWAY first, so that no more come.
    Last,
    /// Answers with a head that is malformed (RFC 9113 section 8.2.2).
    BadHead,
    /// Answers 101, which HTTP/2 does not have (RFC 9113 section 8.6).
    Switches,
    /// Answers with a body that has no head, which ends the connection (RFC 9113 section 5.4.1).
    BadFrame,
    /// Closes without a word.
    Close,
    /// Says nothing.
    Never,
}

/// How it opens connections.
#[derive(Debug, Clone, Copy)]
pub enum Opens {
    /// With SETTINGS that allow so many streams, if they say so.
    Settings(Option<u32>),
    /// The same, and they offer WebSockets (RFC 8441).
    WebSockets(Option<u32>),
    /// With SETTINGS that allow no streams, and others later that do.
    Raises(Duration),
    /// With SETTINGS that allow no streams, and closes then.
    Leaves,
    /// With SETTINGS that say nothing of streams, late.
    Late(Duration),
    /// It closes when the preface comes.
    Closes,
    /// It answers as HTTP/1.1 does.
    Http1,
    /// As whoever connects does: it answers requests of HTTP/1.1 as well.
    Either,
}

type Script = Box<dyn Fn(Asked) -> Then + Send + Sync>;

struct State {
    name: String,
    opens: Opens,
    script: Script,
    connections: AtomicUsize,
    /// Requests by whether they are POST.
    asked: Mutex<Vec<Asked>>,
    /// Most streams at a time on one connection.
    peak: AtomicUsize,
    running: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

pub struct H2Node {
    pub addr: SocketAddr,
    state: Arc<State>,
}

impl H2Node {
    pub fn start(name: &str, opens: Opens, script: impl Fn(Asked) -> Then + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("a bound socket has an address");
        let state = Arc::new(State {
            name: name.to_owned(),
            opens,
            script: Box::new(script),
            connections: AtomicUsize::default(),
            asked: Mutex::default(),
            peak: AtomicUsize::default(),
            running: AtomicBool::new(true),
            open: Mutex::default(),
        });
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if !shared.running.load(Ordering::SeqCst) {
                    return;
                }
                let number = shared.connections.fetch_add(1, Ordering::SeqCst);
                shared.open.lock().unwrap().push(stream.try_clone().expect("a copy"));
                let state = shared.clone();
                std::thread::spawn(move || {
                    let _ = Connection::serve(&state, stream, number);
                });
            }
        });
        Self { addr, state }
    }

    /// One that answers everything.
    pub fn good(name: &str) -> Self {
        Self::start(name, Opens::Settings(None), |_| Then::Answer)
    }

    pub fn url(&self) -> String {
        format!("\"http://{}\"", self.addr)
    }

    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    pub fn peak(&self) -> usize {
        self.state.peak.load(Ordering::SeqCst)
    }

    /// How many requests came, and how many POST among them.
    pub fn asked(&self) -> (usize, usize) {
        let asked = self.state.asked.lock().unwrap();
        (asked.len(), asked.iter().filter(|a| a.post).count())
    }

    /// Closes its port and all connections.
    pub fn kill(&self) {
        self.state.running.store(false, Ordering::SeqCst);
        let _ = TcpStream::connect(self.addr);
        super::until("the killed node's port refuses", || {
            TcpStream::connect(self.addr).is_err().then_some(())
        });
        self.state.open.lock().unwrap().drain(..).for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
    }
}

impl Drop for H2Node {
    fn drop(&mut self) {
        self.state.running.store(false, Ordering::SeqCst);
        let _ = TcpStream::connect(self.addr);
        self.state.open.lock().unwrap().drain(..).for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

struct Connection {
    out: Arc<Mutex<TcpStream>>,
    open: Arc<AtomicUsize>,
}

impl Connection {
    fn serve(state: &Arc<State>, mut stream: TcpStream, number: usize) -> std::io::Result<()> {
        let mut preface = [0; 24];
        stream.read_exact(&mut preface)?;
        if !preface.starts_with(b"PRI * HTTP/2.0") {
            if matches!(state.opens, Opens::Either) {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
            }
            return stream.shutdown(Shutdown::Both);
        }
        let settings = match state.opens {
            Opens::Closes => return stream.shutdown(Shutdown::Both),
            Opens::Http1 => {
                return stream.write_all(
                    b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                );
            }
            Opens::Late(after) => {
                std::thread::sleep(after);
                None
            }
            Opens::Raises(_) | Opens::Leaves => Some(0),
            Opens::Settings(streams) | Opens::WebSockets(streams) => streams,
            Opens::Either => None,
        };
        let this = Self { out: Arc::new(Mutex::new(stream.try_clone()?)), open: Arc::default() };
        let streams = settings.map(|n| [&3_u16.to_be_bytes()[..], &n.to_be_bytes()].concat());
        let offers = matches!(state.opens, Opens::WebSockets(_));
        let offer: &[u8] = if offers { &[0, 8, 0, 0, 0, 1] } else { b"" };
        this.frame(SETTINGS, 0, 0, &[&streams.unwrap_or_default(), offer].concat())?;
        match state.opens {
            Opens::Leaves => return stream.shutdown(Shutdown::Both),
            Opens::Raises(after) => {
                let later = Self { out: this.out.clone(), open: this.open.clone() };
                std::thread::spawn(move || {
                    std::thread::sleep(after);
                    later.frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])
                });
            }
            _ => {}
        }
        let (mut at, mut whole) = (0, HashMap::new());
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head)?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let (kind, flags, id) =
                (head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]));
            let mut payload = vec![0; length];
            stream.read_exact(&mut payload)?;
            match kind {
                SETTINGS if flags & 1 == 0 => this.frame(SETTINGS, 1, 0, b"")?,
                PING if flags & 1 == 0 => this.frame(PING, 1, 0, &payload)?,
                HEADERS => {
                    let asked = Asked {
                        connection: number,
                        at,
                        post: payload.first() == Some(&0x83),
                        other: !matches!(payload.first(), Some(0x82 | 0x83)),
                    };
                    at += 1;
                    state.asked.lock().unwrap().push(asked);
                    state.peak.fetch_max(1 + this.open.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
                    whole.insert(id, asked);
                }
                DATA if length > 0 => {
                    this.frame(WINDOW_UPDATE, 0, 0, &(length as u32).to_be_bytes())?;
                }
                RST_STREAM if whole.remove(&id).is_some() => drop(this.open.fetch_sub(1, Ordering::SeqCst)),
                _ => {}
            }
            // a WebSocket's stream has no end
            let opens = kind == HEADERS && offers && whole.get(&id).is_some_and(|asked: &Asked| asked.other);
            if (matches!(kind, HEADERS | DATA) && flags & 1 == 1 || opens)
                && let Some(asked) = whole.remove(&id)
            {
                this.then((state.script)(asked), state, id)?;
            }
        }
    }

    fn then(&self, then: Then, state: &Arc<State>, id: u32) -> std::io::Result<()> {
        match then {
            Then::Answer => self.answer(state, id),
            Then::Late(ms) => {
                let (this, state) = (Self { out: self.out.clone(), open: self.open.clone() }, state.clone());
                std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_millis(ms));
                    let _ = this.answer(&state, id);
                });
                Ok(())
            }
            Then::Refuse => {
                self.open.fetch_sub(1, Ordering::SeqCst);
                self.frame(RST_STREAM, 0, id, &7_u32.to_be_bytes())
            }
            Then::WantsHttp1 => {
                self.open.fetch_sub(1, Ordering::SeqCst);
                self.frame(RST_STREAM, 0, id, &13_u32.to_be_bytes())
            }
            Then::GoAway => {
                self.go_away(id.saturating_sub(2))?;
                self.out.lock().unwrap().shutdown(Shutdown::Write)
            }
            Then::Last => {
                self.go_away(id)?;
                self.answer(state, id)
            }
            Then::BadHead => {
                self.open.fetch_sub(1, Ordering::SeqCst);
                self.frame(HEADERS, 5, id, b"\x88\x00\x0aconnection\x05close")
            }
            Then::Switches => {
                self.open.fetch_sub(1, Ordering::SeqCst);
                self.frame(HEADERS, 4, id, b"\x08\x03101")
            }
            Then::BadFrame => self.frame(DATA, 1, id, b"ok"),
            Then::Close => self.out.lock().unwrap().shutdown(Shutdown::Both),
            Then::Never => Ok(()),
        }
    }

    fn go_away(&self, last: u32) -> std::io::Result<()> {
        self.frame(GOAWAY, 0, 0, &[last.to_be_bytes(), 0_u32.to_be_bytes()].concat())
    }

    fn answer(&self, state: &State, id: u32) -> std::io::Result<()> {
        self.open.fetch_sub(1, Ordering::SeqCst);
        // :status 200, and a literal
        let mut block = vec![0x88, 0, 6];
        block.extend_from_slice(b"x-node");
        block.push(state.name.len() as u8);
        block.extend_from_slice(state.name.as_bytes());
        self.frame(HEADERS, 4, id, &block)?;
        self.frame(DATA, 1, id, b"ok")
    }

    fn frame(&self, kind: u8, flags: u8, id: u32, payload: &[u8]) -> std::io::Result<()> {
        let length = (payload.len() as u32).to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend_from_slice(&id.to_be_bytes());
        frame.extend_from_slice(payload);
        self.out.lock().unwrap().write_all(&frame)
    }
}
