//! Users who keep clicking while something happens to the proxy.

use super::client::{Answer, Client};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

/// What one user met.
#[derive(Debug, Default, Clone)]
pub struct Story {
    /// The nodes that answered, in order, repetitions dropped.
    pub nodes: Vec<String>,
    pub answers: usize,
    /// Everything that was not a 200, or no answer at all.
    pub failures: Vec<String>,
    /// Connections opened.
    pub connections: usize,
}

/// Users at work, until they are told to stop.
pub struct Load {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
    /// Users who had an answer.
    served: Arc<AtomicUsize>,
    users: Vec<JoinHandle<Story>>,
}

impl Load {
    /// Starts `users`, each with a client from `arrive`, each sending what `click` sends, again and again.
    pub fn start<A, C>(users: usize, arrive: A, click: C) -> Self
    where
        A: Fn(usize) -> Client,
        C: Fn(&mut Client, usize) -> io::Result<Answer> + Clone + Send + 'static,
    {
        let stop = Arc::new(AtomicBool::new(false));
        let (answers, served) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let users = (0..users)
            .map(|user| {
                let (mut client, click) = (arrive(user), click.clone());
                let (stop, answers, served) = (stop.clone(), answers.clone(), served.clone());
                std::thread::spawn(move || {
                    work(&mut client, &stop, (&answers, &served), |client| click(client, user))
                })
            })
            .collect();
        Self { stop, answers, served, users }
    }

    /// Users with cookie jars who ask for pages.
    pub fn of_visitors(users: usize, addr: std::net::SocketAddr) -> Self {
        Self::start(
            users,
            move |_| Client::with_jar(addr),
            |client, user| client.send("GET", &format!("/visit/u{user}"), &[], b""),
        )
    }

    /// Waits until so many more answers have come.
    pub fn wait(&self, more: usize) {
        let goal = self.answers.load(Ordering::SeqCst) + more;
        super::until(&format!("{more} more answers under load"), || {
            (self.answers.load(Ordering::SeqCst) >= goal).then_some(())
        });
    }

    /// Waits until every user had an answer.
    pub fn wait_for_all(&self) {
        super::until("every user is served", || {
            (self.served.load(Ordering::SeqCst) >= self.users.len()).then_some(())
        });
    }

    /// Ends it and tells every user's story.
    pub fn stop(self) -> Vec<Story> {
        self.stop.store(true, Ordering::SeqCst);
        self.users.into_iter().map(|user| user.join().expect("a user does not panic")).collect()
    }
}

/// All failures of all users.
pub fn failures(stories: &[Story]) -> Vec<String> {
    stories.iter().flat_map(|s| s.failures.clone()).collect()
}

fn work(
    client: &mut Client,
    stop: &AtomicBool,
    (answers, served): (&AtomicUsize, &AtomicUsize),
    click: impl Fn(&mut Client) -> io::Result<Answer>,
) -> Story {
    let mut story = Story::default();
    while !stop.load(Ordering::SeqCst) {
        match click(client) {
            Ok(answer) if answer.status == 200 => {
                if story.nodes.last().is_none_or(|node| node != answer.node()) {
                    story.nodes.push(answer.node().to_owned());
                }
            }
            Ok(answer) => story.failures.push(format!(
                "{} after {} answers: {}",
                answer.status,
                story.answers,
                answer.text()
            )),
            Err(error) => {
                story.failures.push(format!("{error} after {} answers", story.answers));
                client.hang_up();
            }
        }
        served.fetch_add(usize::from(story.answers == 0), Ordering::SeqCst);
        story.answers += 1;
        answers.fetch_add(1, Ordering::SeqCst);
        story.connections = client.connections;
    }
    story
}
