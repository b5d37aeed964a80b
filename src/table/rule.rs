//! A rule: its conditions, what becomes of a request that meets them, and what is changed on the way.

use super::conditions::Conditions;
use super::edits::Edits;
use super::prefix_swap::PrefixSwap;
use super::redirect::Redirect;
use super::rule_error::RuleError;
use super::target::{PathTooLong, Rewrite};
use crate::config::model;
use http::StatusCode;
use http::header::HeaderValue;
use http::uri::PathAndQuery;

/// What becomes of a request that a rule matches.
#[derive(Debug, Clone)]
pub enum Action {
    /// It goes to the cluster with this index.
    Cluster(usize),
    /// It is given a node of a cluster, and told to go there by itself.
    HandOff(HandOff),
    /// It is answered with a redirect.
    Redirect(Box<Redirect>),
    /// It is answered at once.
    Respond(Box<Respond>),
}

/// A redirect to a node's own address.
#[derive(Debug, Clone)]
pub struct HandOff {
    /// The index of the node's cluster.
    pub cluster: usize,
    /// Its status.
    pub status: StatusCode,
}

/// An answer at once.
#[derive(Debug, Clone)]
pub struct Respond {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: bytes::Bytes,
    /// Its Content-Type.
    pub content_type: HeaderValue,
}

/// A rule, ready to use.
#[derive(Debug)]
pub struct Rule {
    /// Its place among all rules of the file, from 0.
    pub index: usize,
    /// What becomes of the request.
    pub action: Action,
    /// The prefix that stands for another on the way to the node, and is put back on the way out.
    pub swap: Option<PrefixSwap>,
    /// Changes to the request's headers.
    pub request_headers: Edits,
    /// Changes to the answer's headers.
    pub response_headers: Edits,
    rewrite: Option<Rewrite>,
    conditions: Conditions,
}

impl Rule {
    /// The path and query for the node; `None` when they stay as they came.
    pub fn target(&self, asked: &PathAndQuery) -> Result<Option<PathAndQuery>, PathTooLong> {
        match (&self.rewrite, &self.swap) {
            (Some(rewrite), _) => rewrite.apply(self.conditions.path_regex(), asked).map(Some),
            (None, Some(swap)) => swap.to_node(asked),
            (None, None) => Ok(None),
        }
    }

    /// From a rule of the conf, the one at this place in the file. `cluster_index` maps a cluster's name.
    pub(super) fn compile(
        index: usize,
        rule: &model::Rule,
        cluster_index: &dyn Fn(&str) -> Option<usize>,
    ) -> Result<Self, RuleError> {
        let cluster = |name: &str| cluster_index(name).ok_or_else(|| RuleError::NoCluster(name.to_owned()));
        let action = match (&rule.cluster, &rule.hand_off, &rule.redirect, &rule.respond) {
            (Some(name), None, None, None) => Action::Cluster(cluster(name)?),
            (None, Some(hand_off), None, None) => Action::HandOff(HandOff {
                cluster: cluster(&hand_off.cluster)?,
                status: StatusCode::from_u16(hand_off.status)
                    .map_err(|_| RuleError::Status(hand_off.status))?,
            }),
            (None, None, Some(redirect), None) => Action::Redirect(Box::new(Redirect::compile(redirect)?)),
            (None, None, None, Some(respond)) => Action::Respond(Box::new(Respond::compile(respond)?)),
            _ => return Err(RuleError::Actions),
        };
        let conditions = Conditions::compile(rule)?;
        if rule.rewrite.is_some() && (rule.strip_prefix.is_some() || rule.add_prefix.is_some()) {
            return Err(RuleError::RewriteAndPrefix);
        }
        Ok(Self {
            index,
            action,
            swap: PrefixSwap::compile(rule.strip_prefix.as_deref(), rule.add_prefix.as_deref())?,
            request_headers: Edits::compile(&rule.request_headers)?,
            response_headers: Edits::compile(&rule.response_headers)?,
            rewrite: rule
                .rewrite
                .as_deref()
                .map(|text| Rewrite::parse(text, conditions.path_regex()))
                .transpose()?,
            conditions,
        })
    }

    /// What it asks for beside host and path prefix.
    pub(super) fn conditions(&self) -> &Conditions {
        &self.conditions
    }
}

impl Respond {
    fn compile(respond: &model::Respond) -> Result<Self, RuleError> {
        let status =
            StatusCode::from_u16(respond.status).ok().filter(|status| (200..600).contains(&status.as_u16()));
        Ok(Self {
            status: status.ok_or(RuleError::RespondStatus(respond.status))?,
            body: respond.body.clone().into(),
            content_type: HeaderValue::from_str(&respond.content_type)
                .map_err(|_| RuleError::ContentType(respond.content_type.clone()))?,
        })
    }
}
