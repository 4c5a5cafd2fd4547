// The environment of each entry of this room, as schemas. lib/ sees their types, so that a forgotten variable does not compile.
