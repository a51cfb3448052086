//! The planner: ways out are weighed for one node, one is chosen, and its steps are put in order. It decides and does
//! nothing; a plan is checked once more by rules of its own before anyone runs it.
