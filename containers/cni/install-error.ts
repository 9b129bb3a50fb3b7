import { WeftError } from '../../api/errors.ts';

/** The reason why nothing is installed; one line with the remedy. */
export class InstallError extends WeftError {
  constructor(message: string) {
    super('CNI_INSTALL_FAILED', message);
  }
}
