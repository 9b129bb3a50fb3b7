// Version of the control socket's types. Within a version members are added and never change their
// meaning, so readers ignore members that they do not know. Times are ISO 8601 in UTC on this
// host's wall clock.

/** Version of the documents, and first part of every path but `/metrics`. */
export const CONTROL_VERSION = 1;
