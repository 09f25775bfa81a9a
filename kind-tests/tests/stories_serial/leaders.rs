//! Two operators: one works, the other takes over when it dies.

use entrepot_kind_tests::wait::{Seen, wait_until};
use kube::ResourceExt;

use crate::{
    operator,
    support::{BOUND, Story, small},
    turn,
};

#[tokio::test]
async fn of_two_operators_one_works_and_the_other_takes_over_in_the_middle_of_it() {
    let _turn = turn().await;
    let story = Story::begin("leaders").await;
    operator::scale(&story, 2).await;
    let (pods, first) = (operator::pods(&story).await, operator::leader(&story).await);
    let leading = pods.iter().find(|pod| first.contains(&pod.name_any())).expect("the Lease names a Pod");
    let mut registries = Vec::new();
    for name in ["one", "two", "three"] {
        registries.push(story.create(name, small()).await);
    }
    operator::kill(&story, leading).await;
    for names in &registries {
        story.ready(names).await;
        operator::assert_made_once(&story, names).await;
    }
    let handed_over = || async {
        let now = operator::leader(&story).await;
        Ok::<_, std::convert::Infallible>(Seen::when(!now.is_empty() && now != first, (), now))
    };
    wait_until("another leader", BOUND, handed_over).await.unwrap();
    operator::scale(&story, 1).await;
    let names = story.create("four", small()).await;
    story.ready(&names).await;
    operator::assert_made_once(&story, &names).await;
}
