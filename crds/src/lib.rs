//! The kinds of entrepot.dev and what follows from them alone: names, conditions, schemas.
