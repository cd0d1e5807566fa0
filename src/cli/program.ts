/** The name that help and messages use. */
export const PROGRAM = 'tare';
