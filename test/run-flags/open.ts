/**
 * Flags that no test shows yet, as `COMMAND FLAG`. This list only shrinks: who writes a flag's test moves it to
 * `shown.ts`. The check prints what is left, and fails on a line whose flag is shown.
 */
export const OPEN: readonly string[] = [];
