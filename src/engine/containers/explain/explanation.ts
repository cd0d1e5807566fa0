/** What happens to packets, in words. */
export interface Explanation {
  /** What was asked about, in full. */
  readonly target: string;
  readonly summary: string;
  readonly findings: readonly Finding[];
}

export interface Finding {
  /** Whose packets. */
  readonly from: string;
  readonly verdict: 'passes' | 'stopped' | 'depends' | 'note';
  readonly text: string;
  /** Table, chain and rule that decide. */
  readonly rule?: string;
}
