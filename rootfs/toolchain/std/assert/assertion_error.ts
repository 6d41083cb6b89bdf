/** The error that every failed assertion throws. */

/** Thrown by a failed assertion. */
export class AssertionError extends Error {
  /**
   * @param message what was met and what was expected
   * @param options the cause, if there is one
   */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AssertionError";
  }
}
