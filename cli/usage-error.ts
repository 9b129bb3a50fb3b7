import { WeftError } from '../api/errors.ts';

/** Arguments that make no sense: printed as one line, exit code 2. */
export class UsageError extends WeftError {
  constructor(message: string) {
    super('USAGE', message);
  }
}
