/** One line of the answer of `POST /tare/check`: progress, a finding, or at the end the count of findings. */
export interface CheckMessage {
  progress?: { phase: string; done: number; total: number };
  finding?: CheckFinding;
  done?: { findings: number; repaired: number };
  error?: string;
}

export interface CheckFinding {
  Kind: string;
  ID: string;
  Problem: string;
  Affects: string[];
  Advice: string;
  /** Whether `repair=1` can do something about it. */
  Repairable: boolean;
  /** What a repair did. */
  Repaired?: string;
}
