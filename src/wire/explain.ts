/** Answer of `GET /networks/-/explain`: what happens to packets, in words. Beyond Docker. */
export interface Explanation {
  /** What was asked about, in full. */
  Target: string;
  Summary: string;
  Findings: ExplainFinding[];
}

export interface ExplainFinding {
  /** Whose packets. */
  From: string;
  Verdict: 'passes' | 'stopped' | 'depends' | 'note';
  Text: string;
  /** Table, chain and rule that decide. */
  Rule?: string;
}
