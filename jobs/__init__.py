"""dietz: the seven steps from vendor files to the marts, one package per step, in the order of `STEPS`."""
