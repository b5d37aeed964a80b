//! What of the page somebody looks at: what is searched for, in which order, and what is open. It stands in the
//! address of the page, so that it is the same with and without a script, and can be sent to somebody else.

use crate::base::words::words;
use form_urlencoded::{Serializer, parse};
use http::header;
use http::request::Parts;

/// Letters that a search may have.
const LONGEST: usize = 200;
/// Clusters that may be open at one time, beside those that are found.
const MOST_OPEN: usize = 20;
/// Where nothing is said, so few nodes are all shown.
const FEW: usize = 24;

words! {
    /// What clusters and nodes are ordered by.
    pub enum ViewOrder {
        /// As the conf file has them.
        File = "file",
        /// By name.
        Name = "name",
        /// The most sessions first.
        Sessions = "sessions",
        /// The fullest first.
        Load = "load",
        /// The worst first.
        State = "state",
        /// What changed last first.
        Since = "since",
    }
}

words! {
    /// The lists below the clusters.
    pub enum ListName {
        /// Who did what.
        Changes = "changes",
        /// What leads where.
        Rules = "rules",
        /// Sessions that were moved.
        Moves = "moves",
        /// How reloads ended.
        Reloads = "reloads",
        /// What listeners show of themselves.
        Certificates = "certificates",
        /// Where clients come in.
        Listeners = "listeners",
    }
}

/// What of the page is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    /// What is searched for.
    pub search: String,
    /// Only what is not ready.
    pub attention: bool,
    /// The order, if it was chosen.
    pub order: Option<ViewOrder>,
    /// The page of clusters or nodes, from 0.
    pub page: usize,
    /// Whoever looks may not change anything: nothing is offered to him.
    pub only_reads: bool,
    /// The clusters that are open; none if nothing was said of it.
    open: Option<Vec<String>>,
    /// The lists that are open; none if nothing was said of it.
    lists: Option<Vec<ListName>>,
}

impl View {
    /// From the query of the page's address. What is not understood is left out.
    pub fn read(query: &str) -> Self {
        let mut view = Self::default();
        for (name, value) in parse(query.as_bytes()) {
            match &*name {
                "q" => view.search = value.trim().chars().take(LONGEST).collect(),
                "only" => view.attention = value == "not-ready",
                "sort" => view.order = ViewOrder::of_word(&value),
                "page" => view.page = value.parse::<usize>().unwrap_or(1).saturating_sub(1),
                "open" => {
                    let open = view.open.get_or_insert_default();
                    if !value.is_empty() && open.len() < MOST_OPEN && !open.iter().any(|name| *name == value)
                    {
                        open.push(value.into_owned());
                    }
                }
                "list" => {
                    let lists = view.lists.get_or_insert_default();
                    lists.extend(ListName::of_word(&value).filter(|list| !lists.contains(list)));
                }
                _ => {}
            }
        }
        view
    }

    /// The one that a form was sent from: its address says so, or browsers do of our own pages.
    pub fn before(head: &Parts) -> Self {
        let from = head.headers.get(header::REFERER).and_then(|from| from.to_str().ok()).unwrap_or_default();
        let query = || from.split_once('?').map_or("", |(_, query)| query);
        Self::read(head.uri.query().unwrap_or_else(query).split('#').next().unwrap_or_default())
    }

    /// Whether it shows nodes that are found, in place of the clusters.
    pub fn narrows(&self) -> bool {
        self.attention || !self.search.is_empty()
    }

    /// The order in force: what is not ready is looked at from the worst on.
    pub fn order(&self) -> ViewOrder {
        self.order.unwrap_or(if self.attention { ViewOrder::State } else { ViewOrder::File })
    }

    /// Whether a cluster is open, of so many nodes in all.
    pub fn opens(&self, cluster: &str, nodes: usize) -> bool {
        match &self.open {
            Some(open) => open.iter().any(|name| name == cluster),
            None => nodes <= FEW,
        }
    }

    /// Whether a list is open.
    pub fn lists(&self, list: ListName) -> bool {
        self.lists.as_ref().map_or(list == ListName::Changes, |lists| lists.contains(&list))
    }

    /// With a cluster open, or not any more; `open` are those that are now.
    pub fn folded(&self, cluster: &str, open: &[&str]) -> Self {
        let mut open: Vec<String> = open.iter().map(|name| (*name).to_owned()).collect();
        match open.iter().position(|name| name == cluster) {
            Some(at) => drop(open.remove(at)),
            None => {
                // the one that was opened first makes room
                open.drain(..(open.len() + 1).saturating_sub(MOST_OPEN));
                open.push(cluster.to_owned());
            }
        }
        Self { open: Some(open), ..self.clone() }
    }

    /// With a cluster open.
    pub fn with_open(&self, cluster: &str) -> Self {
        match &self.open {
            Some(open) if !open.iter().any(|name| name == cluster) => {
                self.folded(cluster, &open.iter().map(String::as_str).collect::<Vec<_>>())
            }
            Some(_) => self.clone(),
            None => Self { open: Some(vec![cluster.to_owned()]), ..self.clone() },
        }
    }

    /// With a list open, or not any more.
    pub fn listed(&self, list: ListName) -> Self {
        let lists =
            ListName::ALL.into_iter().filter(|known| self.lists(*known) != (*known == list)).collect();
        Self { lists: Some(lists), ..self.clone() }
    }

    /// For somebody who may not change anything, or may.
    pub fn offering(&self, only_reads: bool) -> Self {
        Self { only_reads, ..self.clone() }
    }

    /// At another page.
    pub fn at(&self, page: usize) -> Self {
        Self { page, ..self.clone() }
    }

    /// With these nodes searched for, from the first on.
    pub fn searching(&self, search: &str, attention: bool) -> Self {
        Self { search: search.to_owned(), attention, page: 0, ..self.clone() }
    }

    /// Its address.
    pub fn href(&self) -> String {
        let mut query = Serializer::for_suffix(String::from("/?"), 2);
        if !self.search.is_empty() {
            query.append_pair("q", &self.search);
        }
        if self.attention {
            query.append_pair("only", "not-ready");
        }
        if let Some(order) = self.order {
            query.append_pair("sort", order.word());
        }
        if self.page > 0 {
            query.append_pair("page", &(self.page + 1).to_string());
        }
        query.extend_pairs(self.kept());
        let text = query.finish();
        if text == "/?" { "/".to_owned() } else { text }
    }

    /// The address of a form that leads back to it.
    pub fn form(&self, path: &str) -> String {
        format!("{path}{}", &self.href()[1..])
    }

    /// What a search keeps of it: name and value of each field.
    pub fn kept(&self) -> Vec<(&'static str, &str)> {
        let nothing = |none: bool| none.then_some("");
        let open =
            self.open.iter().flat_map(|open| open.iter().map(String::as_str).chain(nothing(open.is_empty())));
        let lists = self
            .lists
            .iter()
            .flat_map(|lists| lists.iter().map(|list| list.word()).chain(nothing(lists.is_empty())));
        open.map(|name| ("open", name)).chain(lists.map(|name| ("list", name))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_all_of_a_view() {
        for address in [
            "/",
            "/?q=shop%2Fn*&only=not-ready&sort=sessions&page=3&open=shop&open=blog&list=rules&list=moves",
            "/?open=&list=",
        ] {
            assert_eq!(View::read(address.get(2..).unwrap_or_default()).href(), address);
        }
        assert_eq!(View::read("sort=x&page=0&page=-1&q=+&only=all&list=x&z=1").href(), "/?list=");
        let long = View::read(&format!("q={}", "x".repeat(1000)));
        assert_eq!(long.search.len(), LONGEST);
        let many: String = (0..100).map(|n| format!("open=c{n}&")).collect();
        assert_eq!(View::read(&many).href().matches("open=").count(), MOST_OPEN);
    }

    #[test]
    fn few_nodes_are_open_until_somebody_closes_them() {
        let view = View::default();
        assert!(view.opens("app", FEW) && !view.opens("app", FEW + 1));
        let closed = view.folded("app", &["app", "blog"]);
        assert!(!closed.opens("app", 4) && closed.opens("blog", 4));
        let none = closed.folded("blog", &["blog"]);
        assert!(!none.opens("blog", 4) && none.href() == "/?open=", "{}", none.href());
        assert!(none.with_open("app").opens("app", 4000));
        let names: Vec<String> = (0..MOST_OPEN).map(|n| format!("c{n}")).collect();
        let full = view.folded("new", &names.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(full.opens("new", 99) && !full.opens("c0", 99) && full.opens("c1", 99));
    }

    #[test]
    fn lists_open_one_by_one() {
        let view = View::default();
        assert!(view.lists(ListName::Changes) && !view.lists(ListName::Rules));
        assert_eq!(view.listed(ListName::Rules).href(), "/?list=changes&list=rules");
        assert_eq!(view.listed(ListName::Changes).href(), "/?list=");
    }

    #[test]
    fn a_form_leads_back_to_where_it_was_sent_from() {
        let from = |path: &str, referer: &str| {
            let request = http::Request::post(path).header(header::REFERER, referer).body(()).unwrap();
            View::before(&request.into_parts().0)
        };
        let page = "http://127.0.0.1:9900/?q=n1&open=app#node-app-n1";
        assert_eq!(from("/api/reload", page).href(), "/?q=n1&open=app");
        assert_eq!(from("/api/reload", "http://127.0.0.1:9900/"), View::default());
        let asked = View::read("q=n1").form("/bulk");
        assert_eq!((&*asked, from(&asked, page).href()), ("/bulk?q=n1", "/?q=n1".to_owned()));
    }
}
