package org.polyrank.opensearch;

/** A call to the model service that gave no usable answer; the message ends up in `degraded`. */
final class ServiceException extends RuntimeException {
    private enum Kind {
        SICK,
        BUSY,
        REFUSED
    }

    private final Kind kind;

    private ServiceException(String message, Kind kind) {
        super(message, null, false, false); // an expected outcome: no stack trace to pay for
        this.kind = kind;
    }

    /** The service is dead, hung or answers garbage: another one may do better, and its breaker counts it. */
    static ServiceException sick(String message) {
        return new ServiceException(message, Kind.SICK);
    }

    /** The service is well and has no time for this request: another one may have. */
    static ServiceException busy(String message) {
        return new ServiceException(message, Kind.BUSY);
    }

    /** The service is well but refused this request, or there is none to call. */
    static ServiceException refused(String message) {
        return new ServiceException(message, Kind.REFUSED);
    }

    boolean isSick() {
        return kind == Kind.SICK;
    }

    boolean isBusy() {
        return kind == Kind.BUSY;
    }
}
