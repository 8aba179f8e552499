import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.apache.iceberg.exceptions.NotAuthorizedException;

/**
 * OAuth2 client credentials: one client, bearer tokens that expire. A token carries its expiry, signed with the client's
 * secret, so it outlives a restart of the server: a long-lived client (a Spark session) asks for a new one only when its
 * own is about to end.
 */
final class Tokens {
  private static final long LIFETIME_SECONDS = 3600;
  private static final int NONCE_BYTES = 16;
  private static final int CLAIM_BYTES = Long.BYTES + NONCE_BYTES;
  private static final String ALGORITHM = "HmacSHA256";

  private final byte[] credential;
  private final SecureRandom random = new SecureRandom();

  Tokens(String clientId, String secret) {
    this.credential = (clientId + ":" + secret).getBytes(StandardCharsets.UTF_8);
  }

  CatalogServer.Answer issue(Map<String, String> form, String authorization) {
    boolean exchange = "urn:ietf:params:oauth:grant-type:token-exchange".equals(form.get("grant_type"));
    String subject = form.get("subject_token");
    boolean known = exchange && subject != null && isValid(subject);
    if (!known && !matches(presented(form, authorization))) {
      return new CatalogServer.Answer(401,
          Map.of("error", "invalid_client", "error_description", "client id or secret is wrong"));
    }
    byte[] nonce = new byte[NONCE_BYTES];
    random.nextBytes(nonce);
    long until = System.currentTimeMillis() + LIFETIME_SECONDS * 1000;
    byte[] claim = ByteBuffer.allocate(CLAIM_BYTES).putLong(until).put(nonce).array();
    byte[] signature = sign(claim);
    byte[] signed = ByteBuffer.allocate(CLAIM_BYTES + signature.length).put(claim).put(signature).array();
    String token = Base64.getUrlEncoder().withoutPadding().encodeToString(signed);
    Map<String, Object> answer = new LinkedHashMap<>();
    answer.put("access_token", token);
    answer.put("issued_token_type", "urn:ietf:params:oauth:token-type:access_token");
    answer.put("token_type", "bearer");
    answer.put("expires_in", LIFETIME_SECONDS);
    return new CatalogServer.Answer(200, answer);
  }

  void check(String authorization) {
    boolean bearer = authorization != null && authorization.regionMatches(true, 0, "Bearer ", 0, 7);
    if (!bearer || !isValid(authorization.substring(7).trim())) {
      throw new NotAuthorizedException("a valid bearer token is needed; ask /v1/oauth/tokens for one");
    }
  }

  private boolean isValid(String token) {
    byte[] signed;
    try {
      signed = Base64.getUrlDecoder().decode(token);
    } catch (IllegalArgumentException notBase64) {
      return false;
    }
    if (signed.length <= CLAIM_BYTES) {
      return false;
    }
    byte[] claim = Arrays.copyOf(signed, CLAIM_BYTES);
    byte[] signature = Arrays.copyOfRange(signed, CLAIM_BYTES, signed.length);
    return MessageDigest.isEqual(sign(claim), signature)
        && ByteBuffer.wrap(claim).getLong() > System.currentTimeMillis();
  }

  private byte[] sign(byte[] claim) {
    try {
      Mac mac = Mac.getInstance(ALGORITHM);
      mac.init(new SecretKeySpec(credential, ALGORITHM));
      return mac.doFinal(claim);
    } catch (GeneralSecurityException error) {
      throw new IllegalStateException("this Java has no " + ALGORITHM, error);
    }
  }

  private static String presented(Map<String, String> form, String authorization) {
    if (authorization != null && authorization.regionMatches(true, 0, "Basic ", 0, 6)) {
      try {
        return new String(Base64.getDecoder().decode(authorization.substring(6).trim()), StandardCharsets.UTF_8);
      } catch (IllegalArgumentException notBase64) {
        return "";
      }
    }
    return form.get("client_id") + ":" + form.get("client_secret");
  }

  private boolean matches(String text) {
    return MessageDigest.isEqual(credential, text.getBytes(StandardCharsets.UTF_8));
  }
}
