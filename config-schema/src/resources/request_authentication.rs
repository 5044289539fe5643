//! `security.istio.io` RequestAuthentication: which tokens are accepted.

use serde::Deserialize;

use super::wire::{Duration, PolicyTargetReference, WorkloadSelector, scalar};

/// `spec` of a RequestAuthentication.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestAuthentication {
    /// The workloads; none means all of the namespace, in the root namespace all of the mesh.
    pub selector: Option<WorkloadSelector>,
    /// The object it is attached to.
    pub target_ref: Option<PolicyTargetReference>,
    /// The objects it is attached to.
    #[serde(default)]
    pub target_refs: Vec<PolicyTargetReference>,
    /// The issuers, with where their tokens are looked for.
    #[serde(default)]
    pub jwt_rules: Vec<JwtRule>,
}

/// An issuer of tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JwtRule {
    /// The `iss` claim.
    #[serde(default, deserialize_with = "scalar")]
    pub issuer: Option<String>,
    /// Audiences of which a token must have one; none means any.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// Where the keys are fetched; default by OpenID discovery from the issuer.
    #[serde(default, alias = "jwks_uri", deserialize_with = "scalar")]
    pub jwks_uri: Option<String>,
    /// The keys themselves.
    #[serde(default, deserialize_with = "scalar")]
    pub jwks: Option<String>,
    /// Headers with a token; default `Authorization: Bearer`.
    #[serde(default)]
    pub from_headers: Vec<JwtHeader>,
    /// Query parameters with a token; default `access_token`.
    #[serde(default)]
    pub from_params: Vec<String>,
    /// Cookies with a token.
    #[serde(default)]
    pub from_cookies: Vec<String>,
    /// Header that takes the token's payload as base64.
    #[serde(default, deserialize_with = "scalar")]
    pub output_payload_to_header: Option<String>,
    /// Keep the token in the request.
    #[serde(default)]
    pub forward_original_token: bool,
    /// Headers that take single claims.
    #[serde(default)]
    pub output_claim_to_headers: Vec<ClaimToHeader>,
    /// Time to fetch the keys; default 5 s.
    pub timeout: Option<Duration>,
    /// Claims that hold a list with blanks between; default `scope` and `permission`.
    #[serde(default)]
    pub space_delimited_claims: Vec<String>,
}

/// A header with a token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct JwtHeader {
    /// Name.
    pub name: String,
    /// What stands before the token, such as `Bearer `.
    #[serde(default, deserialize_with = "scalar")]
    pub prefix: Option<String>,
}

/// A header that takes a claim.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ClaimToHeader {
    /// Name of the header.
    pub header: String,
    /// The claim, with dots for nesting.
    pub claim: String,
}
