package org.polyrank.opensearch;

/** A call to the model service that gave no usable answer; the message ends up in `degraded`. */
final class ServiceException extends RuntimeException {
    private final boolean sick;

    private ServiceException(String message, boolean sick) {
        super(message, null, false, false); // an expected outcome: no stack trace to pay for
        this.sick = sick;
    }

    /** The service is dead, hung, overloaded or answers garbage: another one may do better, and its breaker counts it. */
    static ServiceException sick(String message) {
        return new ServiceException(message, true);
    }

    /** The service is well but refused this request, or there is none to call. */
    static ServiceException refused(String message) {
        return new ServiceException(message, false);
    }

    boolean isSick() {
        return sick;
    }
}
