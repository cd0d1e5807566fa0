/**
 * The answer of `POST /build/check`, which only Tare has: Docker's clients ask for checks through a session. The request
 * is that of `POST /build` with a context as its body or in `remote`; of it `dockerfile`, `buildargs`, `target` and
 * `platform` count. The context need not have more than the Dockerfile and its ignore file.
 */
export interface BuildCheckResult {
  /** The Dockerfile, for the lines around. */
  dockerfile: string;
  warnings: BuildCheckWarning[];
  /** Why it cannot be built as it stands; lines are 0 when it is about the whole file. */
  error?: { message: string; startLine: number; endLine: number };
}

/** Members are called as in BuildKit's answer to a check. */
export interface BuildCheckWarning {
  ruleName: string;
  description: string;
  url: string;
  detail: string;
  /** Lines of the Dockerfile, from 1. */
  startLine: number;
  endLine: number;
}
