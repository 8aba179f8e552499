import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.iceberg.exceptions.NotAuthorizedException;

/** OAuth2 client credentials: one client, random bearer tokens that expire. A restart forgets them; clients ask anew. */
final class Tokens {
  private static final long LIFETIME_SECONDS = 3600;
  private static final int TOKEN_BYTES = 32;

  private final byte[] credential;
  private final SecureRandom random = new SecureRandom();
  private final Map<String, Long> expiry = new ConcurrentHashMap<>();

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
    byte[] bytes = new byte[TOKEN_BYTES];
    random.nextBytes(bytes);
    String token = Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    long now = System.currentTimeMillis();
    expiry.values().removeIf(until -> until < now);
    expiry.put(token, now + LIFETIME_SECONDS * 1000);
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
    Long until = expiry.get(token);
    return until != null && until > System.currentTimeMillis();
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
