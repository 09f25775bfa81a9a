//! The operator dies while it makes a Registry, at one point after the other.

use entrepot_kind_tests::wait::{Seen, wait_until};

use crate::{
    operator,
    support::{BOUND, Story, small},
    turn,
};

#[tokio::test]
async fn an_operator_that_dies_anywhere_in_a_creation_leaves_one_registry_with_one_authority() {
    let _turn = turn().await;
    let story = Story::begin("sudden-death").await;
    operator::scale(&story, 1).await;
    for made in [0, 1, 4, 8, 12] {
        let pods = operator::pods(&story).await;
        let names = story.create(&format!("after-{made}"), small()).await;
        // Without a pause: the children are made within a fraction of a second.
        let until = async { while operator::children(&story, &names).await.len() < made {} };
        tokio::time::timeout(BOUND, until).await.unwrap();
        operator::kill(&story, &pods[0]).await;
        story.ready(&names).await;
        operator::assert_made_once(&story, &names).await;
        let next = || async {
            let now = operator::pods(&story).await;
            let other = now.len() == 1 && now[0].metadata.uid != pods[0].metadata.uid;
            Ok::<_, std::convert::Infallible>(Seen::when(other, (), now.len()))
        };
        wait_until("the next operator", BOUND, next).await.unwrap();
    }
}
