use super::*;
use std::cell::Cell;

/// What an address does when it is connected to.
#[derive(Clone, Copy)]
enum Does {
    Swallow,
    Refuse,
    /// Takes the connection after so many milliseconds.
    Take(u64),
    /// Refuses after so many.
    RefuseLate(u64),
}
use Does::{Refuse, RefuseLate, Swallow, Take};

fn address(n: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n as u8], 80))
}

/// Dials addresses that behave so, 10.0.0.0 the first: which was taken, and how many were asked.
async fn dialled(addresses: &Addresses, all: &[Does], within: Duration) -> (Result<usize, String>, usize) {
    let asked = Cell::new(0);
    let open = async |to: SocketAddr| {
        asked.set(asked.get() + 1);
        let at = (0..all.len()).find(|n| address(*n) == to).unwrap();
        match all[at] {
            Swallow => std::future::pending().await,
            Refuse => {}
            Take(ms) | RefuseLate(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
        }
        match all[at] {
            Take(_) => Ok(at),
            _ => Err(NoConnection::Socket(io::ErrorKind::ConnectionRefused.into())),
        }
    };
    let opened = limited(within, race(addresses, within, open)).await.map_err(|why| why.to_string());
    (opened, asked.get())
}

fn of(all: &[Does]) -> Addresses {
    Addresses::new((0..all.len()).map(address))
}

#[tokio::test]
async fn addresses_race_and_share_the_limit() {
    for (all, taken, asked) in [
        (&[Take(0)][..], Some(0), 1),
        (&[Take(20), Take(0)], Some(0), 1),
        (&[Swallow, Take(0)], Some(1), 2),
        (&[Swallow, Swallow, Take(0)], Some(2), 3),
        (&[Refuse, Take(0)], Some(1), 2),
        (&[RefuseLate(20), Swallow, Take(0)], Some(2), 3),
        // it is not given up because others were begun beside it
        (&[Take(300), Swallow, Swallow], Some(0), 2),
        (&[Refuse, RefuseLate(20)], None, 2),
    ] {
        let (opened, tried) = dialled(&of(all), all, Duration::from_secs(60)).await;
        assert_eq!((opened.clone().ok(), tried), (taken, asked), "{} addresses: {opened:?}", all.len());
    }
    for all in [&[Swallow][..], &[Swallow, Refuse]] {
        let within = Duration::from_millis(100);
        assert_eq!(
            dialled(&of(all), all, within).await,
            (Err("no connection within 100ms".into()), all.len())
        );
    }
    for (within, addresses, between) in [(2000, 2, 250), (2000, 10, 200), (300, 2, 150), (100, 5, 20)] {
        assert_eq!(
            pause(Duration::from_millis(within), addresses).as_millis(),
            between,
            "{within} ms for {addresses}"
        );
    }
}

#[tokio::test]
async fn what_works_is_remembered_and_learned_anew_when_it_fails() {
    let (addresses, within) = (of(&[Swallow, Swallow, Swallow]), Duration::from_secs(60));
    for (all, taken, asked) in [
        (&[Swallow, Take(0), Take(0)], 1, 2),
        (&[Swallow, Take(0), Take(0)], 1, 1),
        (&[Swallow, Take(0), Take(0)], 1, 1),
        (&[Swallow, Refuse, Take(0)], 2, 3),
        (&[Swallow, Refuse, Take(0)], 2, 1),
        (&[Take(0), Refuse, Swallow], 0, 2),
        (&[Take(0), Refuse, Swallow], 0, 1),
    ] {
        assert_eq!(dialled(&addresses, all, within).await, (Ok(taken), asked));
    }
}

#[tokio::test]
async fn the_least_certain_failure_speaks_for_all() {
    for (kinds, says) in [
        (
            &[io::ErrorKind::ConnectionRefused, io::ErrorKind::HostUnreachable][..],
            io::ErrorKind::ConnectionRefused,
        ),
        (&[io::ErrorKind::ConnectionRefused, io::ErrorKind::TimedOut], io::ErrorKind::TimedOut),
    ] {
        let addresses = Addresses::new((0..kinds.len()).map(address));
        let open = async |at: SocketAddr| {
            let n = (0..kinds.len()).find(|n| address(*n) == at).unwrap();
            Err::<(), _>(NoConnection::Socket(kinds[n].into()))
        };
        match race(&addresses, PAUSE, open).await {
            Err(NoConnection::Socket(error)) => assert_eq!(error.kind(), says),
            other => panic!("{other:?}"),
        }
    }
}
