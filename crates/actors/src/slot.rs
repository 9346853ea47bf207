//! A slot keeps the address of an actor that its supervisor may replace: handles hold the slot, not the actor.
