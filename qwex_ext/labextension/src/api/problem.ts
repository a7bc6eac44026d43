/** What went wrong, in words for the person who asked. */
import type { Problem } from './types';

/** A refusal of the controller's (RFC 9457), or that nothing answered. */
export class ApiError extends Error {
  constructor(
    message: string,
    /** Stable; see the API's document. `Unreachable` when nothing answered. */
    readonly code: string,
    readonly status: number,
    /** What to type in a terminal to mend it or to see more; empty if nothing helps. */
    readonly command: string = '',
    /** What is wrong with single fields of what was sent. */
    readonly problems: Problem['problems'] = []
  ) {
    super(message);
    this.name = 'ApiError';
  }

  /** Whether the same may succeed in a moment. */
  get transient(): boolean {
    return this.status === 0 || this.status >= 500;
  }
}

const LOG_IN = 'If you are not logged in any more, reload the page.';

/** The error in a refused answer. */
export async function refusal(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => '');
  try {
    const problem = JSON.parse(text) as Partial<Problem> & { command?: string; message?: string };
    const told = problem.detail || problem.message || problem.title || response.statusText;
    const said = problem.code || response.status !== 403 ? told : `The Jupyter server says “${told}”. ${LOG_IN}`;
    return new ApiError(said, problem.code ?? '', response.status, problem.command, problem.problems);
  } catch {
    return new ApiError(said(response), '', response.status);
  }
}

/** What went wrong, whatever was thrown. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) {
    return error;
  }
  const said = error instanceof Error ? error.message : String(error);
  return new ApiError(said, 'Unreachable', 0);
}

function said(response: Response): string {
  return response.status === 404
    ? 'The Jupyter server has no qwex: it is not installed there, or its server extension is not enabled.'
    : `The server answered ${response.status} ${response.statusText}.`;
}
