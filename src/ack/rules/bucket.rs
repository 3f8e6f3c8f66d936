//! Rules about the bucket that the snapshot goes through.

use super::{Fix, Ground, Judgement, NEWER_PAGE, PAGE, PROCEDURE, Rule};

fn name(g: &Ground<'_>) -> String {
    g.facts().bucket.name.clone().unwrap_or_else(|| "<BUCKET>".to_owned())
}

/// It exists.
pub(super) const EXISTS: Rule = Rule {
    code: "ack-bucket",
    requirement: "An Object Storage Service (OSS) bucket is created.",
    source: PAGE,
    needs: &["bucket.name", "bucket.exists"],
    in_dump: false,
    judge: |g| {
        let bucket = &g.facts().bucket;
        match (&bucket.name, bucket.exists) {
            (None, _) => Judgement::not_stated("bucket.name"),
            (Some(name), Some(true)) => {
                Judgement::pass(format!("bucket {name} exists")).stated_by(g.known, &["bucket", "exists"])
            }
            (Some(name), Some(false)) => Judgement::fail(format!("bucket {name} does not exist"))
                .stated_by(g.known, &["bucket", "exists"])
                .fix(Fix::command(format!(
                    "aliyun oss mb oss://{name} --region {}",
                    g.facts().cluster.region.as_deref().unwrap_or("<REGION>")
                ))),
            (Some(name), None) => {
                Judgement::unknown(format!("whether bucket {name} exists is not stated (bucket.exists)"))
                    .get("bucket.exists")
            }
        }
    },
};

/// It is in the cluster's region.
pub(super) const REGION: Rule = Rule {
    code: "ack-bucket-region",
    requirement: "The bucket is in the cluster's region.",
    source: NEWER_PAGE,
    needs: &["bucket.region", "cluster.region"],
    in_dump: true,
    judge: |g| match (&g.facts().bucket.region, &g.facts().cluster.region) {
        (None, _) => Judgement::not_stated("bucket.region"),
        (_, None) => Judgement::not_stated("cluster.region"),
        (Some(bucket), Some(cluster)) => {
            let both =
                |j: Judgement| j.stated_by(g.known, &["bucket", "region"]).stated_by(g.known, &["cluster", "region"]);
            match bucket == cluster {
                true => both(Judgement::pass(format!("both are in {cluster}"))),
                false => both(Judgement::fail(format!("bucket {} is in {bucket}, the cluster in {cluster}", name(g))))
                    .fix(Fix::command(format!("aliyun oss mb oss://<NEW_BUCKET> --region {cluster}")))
                    .fix(Fix::words("A bucket does not move: name the new one in bucket.name, and in the RAM policy.")),
            }
        }
    },
};

/// Its hotlink protection is off.
pub(super) const HOTLINK: Rule = Rule {
    code: "ack-bucket-hotlink",
    requirement: "The bucket's hotlink protection is off.",
    source: PROCEDURE,
    needs: &["bucket.hotlink_protection"],
    in_dump: false,
    judge: |g| match g.facts().bucket.hotlink_protection {
        None => Judgement::not_stated("bucket.hotlink_protection"),
        Some(false) => Judgement::pass(format!("bucket {} has no hotlink protection", name(g)))
            .stated_by(g.known, &["bucket", "hotlink_protection"]),
        Some(true) => Judgement::fail(format!(
            "bucket {} has hotlink protection: the signed URL of the snapshot would be refused",
            name(g)
        ))
        .stated_by(g.known, &["bucket", "hotlink_protection"])
        .fix(Fix::command(format!("aliyun oss referer --method delete oss://{}", name(g)))),
    },
};
